#include "actors/source/batch_post.hpp"
#include "messages/packing.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <catch2/catch_test_macros.hpp>

#include <optional>
#include <random>
#include <set>

using namespace millrace;
using namespace millrace::test;

namespace {

using dice = std::mt19937_64;

std::size_t pick(dice& random, std::size_t n) {
  return random() % n;
}

/// Two blocks, one of them with keys; records with several rows, with none,
/// and with rejects.
batch sample(dice& random, std::size_t records, std::size_t row_bytes) {
  batch result;
  result.lane = {"ticks", "demo", shard{1}};
  result.topic = "ticks";
  result.range = {{100}, {100}};
  result.map_version = {3};
  result.shape = {4};
  result.rewind = {5};
  result.oldest_timestamp_ms = 6;
  result.newest_timestamp_ms = 7;
  result.blocks.resize(2);
  for (std::size_t i = 0; i < records; ++i) {
    auto at = result.range.to + static_cast<int64_t>(pick(random, 3));
    result.range.to = at + 1;
    ++result.events;
    if (pick(random, 10) == 0) {
      reject no;
      no.at = at;
      no.value.assign(pick(random, row_bytes), 'x');
      result.rejects.push_back(no);
      continue;
    }
    if (pick(random, 10) == 0) {
      ++result.filtered;
      continue;
    }
    for (auto n = pick(random, 3) + 1; n > 0; --n) {
      auto& block = result.blocks[pick(random, 2)];
      block.bytes.resize(block.bytes.size() + 1 + pick(random, row_bytes),
                         static_cast<std::byte>(i));
      block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
      block.offsets.push_back(at.value);
      if (&block == &result.blocks[1])
        block.keys.push_back({i, n});
    }
  }
  result.range.to = result.range.to + 5;
  return result;
}

/// The rows as (offset, bytes) of a block.
std::vector<std::pair<int64_t, std::string>> rows(const row_block& x) {
  std::vector<std::pair<int64_t, std::string>> result;
  std::size_t from = 0;
  for (std::size_t i = 0; i < x.rows(); ++i) {
    result.emplace_back(x.offsets[i], std::string(reinterpret_cast<const char*>(
                                                    x.bytes.data() + from),
                                                  x.row_ends[i] - from));
    from = x.row_ends[i];
  }
  return result;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

} // namespace

TEST_CASE("a batch that is small enough travels as it is") {
  dice random{1};
  auto x = std::make_shared<const batch>(sample(random, 10, 10));
  auto parts = split_batch(x, 1 << 20);
  REQUIRE(parts.size() == 1);
  CHECK(parts[0] == x);
}

TEST_CASE("the pieces of a batch are the batch") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    dice random{seed};
    auto whole = std::make_shared<const batch>(
      sample(random, 1 + pick(random, 100), 1 + pick(random, 300)));
    auto limit = sizeof(batch) + 1 + pick(random, 4000);
    auto parts = split_batch(whole, limit);
    auto next = whole->range.from;
    batch sum;
    sum.blocks.resize(2);
    std::vector<std::pair<int64_t, std::string>> got[2];
    for (const auto& part : parts) {
      CHECK(part->range.from == next);
      CHECK(part->range.to > part->range.from);
      next = part->range.to;
      CHECK(part->lane == whole->lane);
      CHECK(part->shape == whole->shape);
      CHECK(part->map_version == whole->map_version);
      CHECK(part->rewind == whole->rewind);
      std::set<int64_t> records;
      for (std::size_t i = 0; i < 2; ++i) {
        append(got[i], rows(part->blocks.at(i)));
        append(sum.blocks[i].keys, part->blocks[i].keys);
        for (auto at : part->blocks[i].offsets) {
          records.insert(at);
          CHECK(part->range.contains(offset{at}));
        }
      }
      for (const auto& r : part->rejects) {
        records.insert(r.at.value);
        CHECK(part->range.contains(r.at));
        sum.rejects.push_back(r);
      }
      if (records.size() > 1)
        CHECK(size_bytes(*part) <= limit);
      sum.events += part->events;
      sum.filtered += part->filtered;
    }
    CHECK(next == whole->range.to);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(got[i] == rows(whole->blocks[i]));
      CHECK(sum.blocks[i].keys == whole->blocks[i].keys);
    }
    CHECK(sum.rejects.size() == whole->rejects.size());
    CHECK(sum.events == whole->events);
    CHECK(sum.filtered == whole->filtered);
  }
}

TEST_CASE("a record above the limit goes alone") {
  batch big;
  big.range = {{0}, {3}};
  big.blocks.resize(1);
  for (auto size : {10, 5000, 10}) {
    auto& block = big.blocks[0];
    block.offsets.push_back(static_cast<int64_t>(block.rows()));
    block.bytes.resize(block.bytes.size() + static_cast<std::size_t>(size));
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
  }
  auto parts = split_batch(std::make_shared<const batch>(big), 1000);
  REQUIRE(parts.size() == 3);
  CHECK(parts[1]->blocks[0].bytes.size() == 5000);
}

TEST_CASE_METHOD(deterministic, "a piece with all that is around it fits into "
                                "a frame of 1 MiB") {
  dice random{7};
  for (auto row_bytes : {1U, 20U, 100U, 10'000U}) {
    auto whole = sample(random, 3'000'000 / (row_bytes + 30), row_bytes);
    // Names as long as they may be.
    whole.lane.pipeline.assign(41, 'p');
    whole.lane.tenant.assign(41, 't');
    whole.topic.assign(249, 't');
    auto parts = split_batch(std::make_shared<const batch>(whole),
                             max_frame_bytes);
    CHECK(parts.size() > 1);
    for (const auto& part : parts) {
      caf::byte_buffer bytes;
      caf::binary_serializer sink{sys, bytes};
      REQUIRE(sink.apply(lane_batch{part, slot{1}, {}}));
      CHECK(bytes.size() + 1'024 <= std::size_t{1} << 20);
    }
  }
}

TEST_CASE_METHOD(deterministic, "a record of many megabytes travels in frames "
                                "of less than 1 MiB") {
  batch large;
  large.range = {{0}, {1}};
  large.events = 1;
  auto& no = large.rejects.emplace_back();
  no.has_value = true;
  no.value.assign(std::size_t{5} << 20, 'x');
  framed whole{pack(sys, large)};
  frame_assembly other_side;
  std::optional<std::string> got;
  int frames = 0;
  for (uint64_t from = 0; from < whole.total(); from += max_frame_bytes) {
    batch_frame x{whole.cut(from), slot{1}, {}};
    CHECK(pack(sys, x).size() + 1'024 <= std::size_t{1} << 20);
    ++frames;
    got = other_side.add(std::move(x.piece));
  }
  CHECK(frames == 6);
  REQUIRE(got);
  auto back = unpack<batch>(sys, *got);
  REQUIRE(back);
  CHECK(back->rejects.at(0).value == no.value);
}
