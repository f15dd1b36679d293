// Rows that PostgreSQL refuses: found by halves, set aside, counted.

#include "actors/lane/lane_core.hpp"
#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <bit>
#include <map>
#include <random>
#include <set>

using namespace millrace;
using namespace millrace::test;

namespace {

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

TEST_CASE("a lost connection in the middle makes the search begin again, and "
          "no verdict survives it") {
  for (int lost_at = 1; lost_at < 12; ++lost_at) {
    for (auto written : {false, true}) {
      poisoned lane;
      lane.poison = {{0, 9}, {0, 10}};
      lane.give_many(16, 5);
      for (auto open = true; open;) {
        if (lane.flushes + 1 != lost_at) {
          open = lane.step();
          continue;
        }
        auto step = lane.core.next_step();
        if (step == lane_step::flush) {
          ++lane.flushes;
          if (written && !lane.refuses(lane.core.flight()))
            lane.apply(lane.core.flight());
          lane.core.lost();
          CHECK_FALSE(lane.core.bisecting());
        } else if (step == lane_step::take_over) {
          lane.core.took_over(lane.row);
        } else if (step == lane_step::fetch) {
          lane.core.fetched({});
        } else {
          open = false;
        }
      }
      CAPTURE(lost_at, written);
      lane.check_all(16);
    }
  }
}

TEST_CASE("a reconnect while the record is fetched makes the answer void") {
  poisoned lane;
  lane.poison = {{0, 1}};
  lane.give({.from = 0, .to = 3, .rows = {1}});
  while (lane.core.next_step() != lane_step::fetch) {
    if (!lane.core.owns_row())
      lane.core.took_over(lane.row);
    else
      lane.core.data_refused({"22003", "m", "r"});
  }
  lane.core.reconnected();
  lane.core.fetched({});
  CHECK_FALSE(lane.core.bisecting());
  // The other server takes the row.
  lane.poison.clear();
  lane.run();
  CHECK(lane.applied == std::vector<event_key>{{0, 1}});
  CHECK(lane.dead.empty());
}

TEST_CASE("a reconnect while the dead letter flies changes nothing about the "
          "flight") {
  poisoned lane;
  lane.poison = {{0, 1}};
  lane.give({.from = 0, .to = 3, .rows = {1}});
  while (lane.fetches == 0)
    REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  REQUIRE(lane.core.flight().sources.at(0).refused.size() == 1);
  lane.core.reconnected();
  SECTION("it commits") {
    lane.apply(lane.core.flight());
    lane.core.committed();
    lane.run();
    CHECK(lane.dead_keys() == std::vector<event_key>{{0, 1}});
    CHECK(lane.applied.empty());
  }
  SECTION("it is refused once more, and not for its rows") {
    lane.core.data_refused({"22003", "m", "r"});
    CHECK(lane.core.halted() == lane_halt::data);
  }
}

TEST_CASE("an event that is taken when it is alone is no dead letter") {
  poisoned lane;
  lane.poison = {{0, 7}};
  lane.give_many(8, 8);
  for (int i = 0; i < 5; ++i)
    lane.step();
  CHECK(lane.core.bisecting());
  // Somebody has inserted what it lacked.
  lane.poison.clear();
  lane.run();
  lane.check_all(8);
  CHECK(lane.fetches == 0);
}

TEST_CASE("a failure of the data without any rows halts the lane") {
  poisoned lane;
  lane.give({.from = 0, .to = 8, .rejects = {3}});
  REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  lane.core.data_refused({"22003", "short", "long with a row"});
  CHECK(lane.core.halted() == lane_halt::data);
  CHECK(lane.core.halt_reason() == "22003: short");
  CHECK(to_texts(lane.core.take_replies()) == texts{"hand back 0 #1"});
}

TEST_CASE("a halt in the middle of a batch hands it back once") {
  poisoned lane;
  lane.poison = {{0, 0}};
  lane.give_many(8, 8);
  while (!lane.core.bisecting())
    REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  CHECK(lane.core.flight().sources.at(0).keep_below == offset{4});
  lane.core.halt(lane_halt::data, "XX000: no");
  CHECK(to_texts(lane.core.take_replies()) == texts{"hand back 0 #1"});
  CHECK(lane.core.queued_bytes() == 0);
}

TEST_CASE(
  "a batch that takes too long is halved by its events, down to one, and "
  "nothing of it is rejected") {
  poisoned lane;
  lane.give_many(16, 16);
  REQUIRE(lane.step());
  for (int64_t events : {16, 8, 4, 2, 1, 1}) {
    REQUIRE(lane.core.next_step() == lane_step::flush);
    const auto& part = lane.core.flight().sources.at(0);
    CHECK(std::min(offset{16}, part.keep_below) == offset{events});
    lane.core.retry_smaller();
  }
  lane.run();
  lane.check_all(16);
  CHECK(lane.flushes <= 16);
  CHECK_FALSE(lane.core.bisecting());
}

TEST_CASE("what comes while the search is on waits behind it") {
  poisoned lane;
  lane.poison = {{0, 3}};
  lane.give_many(8, 8);
  while (!lane.core.bisecting())
    REQUIRE(lane.step());
  lane.give({.from = 8, .to = 12, .rows = {8, 9, 10, 11}});
  // Covered by what is queued: no second copy.
  lane.give({.from = 0, .to = 8, .rows = {0, 1, 2, 3}});
  lane.run();
  lane.check_all(12);
  CHECK(lane.said.back() == "ack 12");
}

// -- whom a lane answers ------------------------------------------------------

TEST_CASE("each answer goes to whoever sent the batch, though another sends "
          "for the same partition") {
  poisoned lane;
  auto from = [&lane](int64_t first, int64_t last, uint32_t who) {
    lane.core.receive(make_sample({.from = first, .to = last, .rows = {first}}),
                      slot{0}, origin{who});
  };
  from(0, 5, 1);
  from(5, 9, 2);
  CHECK(lane.core.owes(origin{1}));
  REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  CHECK(lane.core.owes(origin{1}));
  lane.core.committed();
  auto replies = lane.core.take_replies();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].to == origin{1});
  CHECK(replies[0].reply.at == offset{5});
  CHECK(replies[1].to == origin{2});
  CHECK(replies[1].reply.at == offset{9});
  CHECK_FALSE(lane.core.owes(origin{1}));
  CHECK_FALSE(lane.core.owes(origin{2}));
}
