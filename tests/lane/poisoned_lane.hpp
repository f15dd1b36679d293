#pragma once

#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

using event_key = std::pair<int32_t, int64_t>;

/// A lane, and a database that refuses some of its events.
struct poisoned {
  lane_core core{sample_lane, {.max_reject_ratio = 1}};
  lane_row row = sample_row({0, 0}, {0, 0});
  std::set<event_key> poison;

  // What is durable, in the order in which it came about.
  std::vector<event_key> applied;
  std::vector<std::pair<event_key, reject>> dead;
  texts said;

  int flushes = 0;
  int fetches = 0;
  std::size_t most_refused = 0;

  void give(const batch_spec& x) {
    core.receive(make_sample(x), slot{x.partition});
  }

  /// Offsets 0 to n - 1 of a partition in batches of `each`.
  void give_many(int64_t n, int64_t each, int32_t partition = 0) {
    for (int64_t from = 0; from < n; from += each) {
      batch_spec x{.from = from, .to = std::min(n, from + each)};
      x.partition = partition;
      for (auto at = x.from; at < x.to; ++at)
        x.rows.push_back(at);
      give(x);
    }
  }

  bool refuses(const flush& x) const {
    for (const auto& part : x.sources)
      for (const auto& block : part.data->blocks)
        for (auto at : block.offsets)
          if (part.keeps(offset{at})
              && !std::ranges::contains(part.refused, offset{at}, &reject::at)
              && poison.contains({part.data->source.number.value, at}))
            return true;
    return false;
  }

  void apply(const flush& x) {
    CHECK(x.claim.seqs == 1 + reject_count(x));
    CHECK(x.claim.next_seq == row.next_seq);
    row.next_seq.value += x.claim.seqs;
    for (const auto& range : x.claim.ranges) {
      auto& next = row.next_off[static_cast<std::size_t>(range.at.value)];
      CHECK(range.old_next == next);
      CHECK(range.range.from <= next);
      CHECK(range.range.to > next);
      if (range.first_event)
        CHECK(*range.first_event >= next);
      next = range.range.to;
    }
    std::size_t refused = 0;
    for (const auto& part : x.sources) {
      auto p = part.data->source.number.value;
      refused += part.refused.size();
      for (const auto& r : part.refused)
        dead.push_back({{p, r.at.value}, r});
      for (const auto& r : part.data->rejects)
        if (part.keeps(r.at))
          dead.push_back({{p, r.at.value}, r});
      for (auto at : part.data->blocks[0].offsets)
        if (part.keeps(offset{at})
            && !std::ranges::contains(part.refused, offset{at}, &reject::at))
          applied.push_back({p, at});
    }
    most_refused = std::max(most_refused, refused);
  }

  /// One step; false when there is none.
  bool step() {
    switch (core.next_step()) {
      case lane_step::none:
      case lane_step::read_waiting:
        return false;
      case lane_step::take_over:
        core.took_over(row);
        break;
      case lane_step::load:
      case lane_step::resolve:
        core.loaded(row);
        break;
      case lane_step::fetch: {
        ++fetches;
        record_copy raw;
        raw.found = raw.has_value = true;
        raw.value = "raw " + std::to_string(core.wanted().at.value);
        raw.timestamp_ms = 7;
        core.fetched(raw);
        break;
      }
      case lane_step::flush:
        ++flushes;
        if (refuses(core.flight())) {
          core.data_refused({"22003", "out of range", "out of range: 1e99"});
        } else {
          apply(core.flight());
          core.committed();
        }
        break;
    }
    for (const auto& x : to_texts(core.take_replies()))
      said.push_back(x);
    return true;
  }

  void run() {
    while (step())
      continue;
  }

  std::vector<event_key> dead_keys() const {
    std::vector<event_key> result;
    for (const auto& x : dead)
      result.push_back(x.first);
    return result;
  }

  /// Every event of [0, n) is where it belongs, once and in order.
  void check_all(int64_t n, int32_t partition = 0) const {
    std::vector<event_key> good;
    std::vector<event_key> bad;
    for (int64_t at = 0; at < n; ++at) {
      event_key key{partition, at};
      (poison.contains(key) ? bad : good).push_back(key);
    }
    auto of = [partition](std::vector<event_key> xs) {
      std::erase_if(xs, [&](auto& x) { return x.first != partition; });
      return xs;
    };
    CHECK(of(applied) == good);
    CHECK(of(dead_keys()) == bad);
  }
};

} // namespace millrace::test
