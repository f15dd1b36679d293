#pragma once

#include "actors/source/partition_feed.hpp"

#include <catch2/catch_test_macros.hpp>

namespace millrace::test {

using namespace std::chrono_literals;

using texts = std::vector<std::string>;

/// Lanes: 0 `_unrouted`, 1 and 2 of tenant "demo", 3 of an older map.
struct feed_fixture {
  std::vector<lane_id> ids{{"ticks", "_unrouted", shard{0}},
                           {"ticks", "demo", shard{0}},
                           {"ticks", "demo", shard{1}},
                           {"ticks", "old", shard{2}}};
  std::shared_ptr<credit_pool> credit;
  partition_feed feed;
  partition_feed::clock::time_point now{1h};

  /// `shared` is the credit of tenant "demo".
  explicit feed_fixture(std::shared_ptr<credit_pool> shared = nullptr)
    : credit{std::move(shared)},
      feed{config()} {
    feed.assign(view(10), {{0}, {1'000}});
  }

  feed_config config() const {
    feed_config result;
    result.cursor.credit_bytes = 100'000;
    result.pipeline = "ticks";
    if (credit)
      result.credit["demo"] = credit;
    result.topic = "t";
    result.source.number = {3};
    result.lanes = 2;
    result.lane_ids = ids;
    result.map_version = {3};
    result.shape = {7};
    result.batch_bytes = 2'000;
    result.batch_rows = 3;
    return result;
  }

  partition_view view(int64_t at) const {
    partition_view result;
    for (const auto& id : ids)
      result.lanes.push_back({id, {at}});
    result.floor = {10};
    result.map_version = {3};
    return result;
  }

  static void add_row(batch& to, int64_t at, std::size_t bytes = 1) {
    if (to.blocks.empty())
      to.blocks.resize(1);
    auto& block = to.blocks[0];
    block.bytes.resize(block.bytes.size() + bytes);
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(at);
    ++to.events;
  }

  void read(std::size_t lane, int64_t at, std::size_t bytes = 1,
            reading_kind which = reading_kind::main) {
    auto verdict = feed.begin({at}, which);
    if (verdict == record_verdict::stale)
      return;
    REQUIRE(verdict == record_verdict::expected);
    add_row(feed.open_lane(lane), at, bytes);
    feed.end();
  }

  /// Each batch as `lane: from-to = offsets`.
  static texts show(const std::vector<fed_batch>& xs) {
    texts result;
    for (const auto& x : xs) {
      auto text = std::to_string(x.lane) + ": "
                  + std::to_string(x.data->range.from.value) + '-'
                  + std::to_string(x.data->range.to.value) + " =";
      for (const auto& block : x.data->blocks)
        for (auto at : block.offsets)
          text += ' ' + std::to_string(at);
      result.push_back(text);
    }
    return result;
  }

  partition_feed::consequence nack(std::size_t lane, int64_t at,
                                   int64_t number) {
    return feed.answer(
      lane, {lane_reply::kind::nack, config().source, {at}, {number}}, now);
  }

  void ack(std::size_t lane, int64_t at) {
    feed.answer(lane, {lane_reply::kind::ack, config().source, {at}, {}}, now);
  }
};

} // namespace millrace::test
