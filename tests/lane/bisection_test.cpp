// Rows that PostgreSQL refuses: found by halves, set aside, counted.

#include "tests/lane/poisoned_lane.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <bit>
#include <random>

using namespace millrace;
using namespace millrace::test;

namespace {

int log2_of(int64_t n) {
  return static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)));
}

} // namespace

TEST_CASE("one bad event of 4096 is found wherever it is, in two flushes for "
          "each time they can be halved, and its neighbours are written") {
  static constexpr int64_t n = 4'096;
  auto bad = GENERATE(int64_t{0}, 1, 1'000, 2'047, 2'048, 4'094, 4'095);
  // In one batch or in many.
  auto each = GENERATE(n, int64_t{100});
  CAPTURE(bad, each);
  poisoned lane;
  lane.poison = {{0, bad}};
  lane.give_many(n, each);
  lane.run();
  lane.check_all(n);
  CHECK(lane.fetches == 1);
  CHECK(lane.flushes <= 2 + 2 * log2_of(n));
  REQUIRE(lane.said.size() > 0);
  CHECK(lane.said.back() == "ack 4096");
  CHECK(lane.core.queued_bytes() == 0);
  CHECK_FALSE(lane.core.bisecting());
}

TEST_CASE("k bad events of n cost k times as much") {
  constexpr int64_t n = 1'024;
  std::mt19937_64 random{GENERATE(1, 2, 3, 4, 5)};
  for (int64_t k : {2, 3, 8, 30}) {
    poisoned lane;
    while (std::ssize(lane.poison) < k)
      lane.poison.emplace(0, static_cast<int64_t>(random() % n));
    lane.give_many(n, 100);
    lane.run();
    lane.check_all(n);
    CAPTURE(k, lane.flushes);
    CHECK(lane.fetches == k);
    CHECK(lane.flushes <= 1 + k * (log2_of(n) + 4));
  }
}

TEST_CASE("when all events are bad each becomes a dead letter, and the bytes "
          "of one at a time are held") {
  poisoned lane;
  for (int64_t at = 0; at < 50; ++at)
    lane.poison.emplace(0, at);
  lane.give_many(50, 7);
  lane.run();
  lane.check_all(50);
  CHECK(lane.most_refused == 1);
  CHECK(lane.core.queued_bytes() == 0);
}

TEST_CASE("bad events of several partitions are found in one flush") {
  poisoned lane;
  lane.poison = {{0, 3}, {1, 0}, {1, 39}};
  lane.give_many(20, 10, 0);
  lane.give_many(40, 10, 1);
  lane.run();
  lane.check_all(20, 0);
  lane.check_all(40, 1);
}

TEST_CASE("the last event of a batch and the first of the next one do not "
          "keep each other from being found") {
  poisoned lane;
  lane.poison = {{0, 19}, {1, 0}, {1, 1}};
  lane.give_many(20, 20, 0);
  lane.give_many(2, 1, 1);
  for (int i = 0; i < 100; ++i)
    lane.step();
  lane.check_all(20, 0);
  lane.check_all(2, 1);
}

TEST_CASE("all rows of an event go together, over all its writes") {
  auto data = std::make_shared<batch>();
  data->lane = sample_lane;
  data->source = sample_source();
  data->range = {{0}, {10}};
  data->map_version = sample_version;
  data->shape = sample_shape;
  data->blocks.resize(2);
  auto add = [&data](std::size_t block, int64_t at) {
    auto& x = data->blocks[block];
    x.bytes.push_back(std::byte{0});
    x.row_ends.push_back(static_cast<uint32_t>(x.bytes.size()));
    x.offsets.push_back(at);
  };
  // Event 4 has two rows in each; 2 and 6 are in one block only.
  for (auto at : {1, 4, 4, 6})
    add(0, at);
  for (auto at : {2, 4, 4, 8})
    add(1, at);
  data->events = 5;
  CHECK(events_with_rows({data.get(), slot{0}, offset{0}, offset{10}})
        == std::vector<int64_t>{1, 2, 4, 6, 8});
  CHECK(events_with_rows({data.get(), slot{0}, offset{2}, offset{8}})
        == std::vector<int64_t>{2, 4, 6});
  poisoned lane;
  lane.poison = {{0, 4}};
  lane.core.receive(data, slot{0});
  lane.run();
  CHECK(lane.dead_keys() == std::vector<event_key>{{0, 4}});
  CHECK(lane.applied == std::vector<event_key>{{0, 1}, {0, 6}});
  CHECK(lane.flushes <= 7);
}

TEST_CASE("the dead letter says what PostgreSQL said and has the record's "
          "bytes") {
  poisoned lane;
  lane.poison = {{0, 5}};
  lane.give({.from = 0, .to = 8, .rows = {1, 5, 7}, .rejects = {4, 6}});
  lane.run();
  // The fixture notes what was refused first.
  CHECK(lane.dead_keys() == std::vector<event_key>{{0, 5}, {0, 4}, {0, 6}});
  const auto& letter = lane.dead.at(0).second;
  CHECK(letter.stage == reject_stage::store);
  CHECK(letter.sqlstate == "22003");
  CHECK(letter.reason == "out of range: 1e99");
  CHECK(letter.has_value);
  CHECK_FALSE(letter.has_key);
  CHECK(letter.value == "raw 5");
  CHECK(letter.timestamp_ms == 7);
}

TEST_CASE("a record that is gone leaves a dead letter that says so") {
  poisoned lane;
  lane.poison = {{0, 5}};
  lane.give({.from = 0, .to = 8, .rows = {5}});
  while (lane.core.next_step() != lane_step::fetch) {
    if (!lane.core.owns_row())
      lane.core.took_over(lane.row);
    else
      lane.core.data_refused({"23502", "null", "null in column v"});
  }
  CHECK(lane.core.wanted().at == offset{5});
  CHECK(lane.core.wanted().source == sample_source());
  lane.core.fetched({});
  lane.run();
  REQUIRE(lane.dead.size() == 1);
  const auto& letter = lane.dead[0].second;
  CHECK_FALSE(letter.has_value);
  CHECK(letter.timestamp_ms == -1);
  CHECK(letter.reason.starts_with("null in column v; without key"));
}

TEST_CASE("a record that cannot be read now is asked for again, and meanwhile "
          "nothing is lost") {
  poisoned lane;
  lane.poison = {{0, 5}};
  lane.give({.from = 0, .to = 8, .rows = {1, 5, 7}});
  for (int failures = 0; failures < 3;) {
    // The fixture answers every other step.
    auto copy = lane.fetches;
    CHECK(copy == 0);
    switch (lane.core.next_step()) {
      case lane_step::fetch:
        ++failures;
        lane.core.step_failed();
        break;
      case lane_step::take_over:
        lane.core.took_over(lane.row);
        break;
      case lane_step::flush:
        if (lane.refuses(lane.core.flight())) {
          lane.core.data_refused({"22003", "m", "r"});
        } else {
          lane.apply(lane.core.flight());
          lane.core.committed();
        }
        break;
      default:
        FAIL("no step");
    }
  }
  CHECK(lane.core.queued_batches() == 1);
  lane.run();
  CHECK(lane.applied == std::vector<event_key>{{0, 1}, {0, 7}});
  CHECK(lane.dead_keys() == std::vector<event_key>{{0, 5}});
}

TEST_CASE("parts of a batch are acknowledged as they become durable") {
  poisoned lane;
  lane.poison = {{0, 6}};
  lane.give({.from = 0, .to = 8, .rows = {0, 2, 4, 6}});
  lane.run();
  CHECK(lane.said == texts{"ack 3", "ack 5", "ack 8"});
}
