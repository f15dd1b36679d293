// Records that are too large, where the configuration wants a halt for them.

#include "actors/lane/waiting_round.hpp"
#include "tests/lane/owned_lane.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : owned {
  /// The record at `bad` halts the lane.
  void give_oversized(const batch_spec& x, int64_t bad) {
    auto data = std::make_shared<batch>(*make_sample(x));
    auto& letter = data->rejects.emplace_back();
    letter.at = {bad};
    letter.reason = "found a payload of 21 bytes";
    letter.halts = true;
    ++data->events;
    core.receive(std::move(data), slot{x.partition});
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a lane writes all that comes before a record which "
                          "halts it, then stands at that record") {
  give({.from = 10, .to = 20, .rows = {11}});
  give_oversized({.from = 20, .to = 30, .rows = {21, 23, 24}}, 23);
  give({.from = 30, .to = 40, .rows = {31}});
  REQUIRE(core.next_step() == lane_step::flush);
  const auto& claim = core.flight().claim;
  CHECK(claim.ranges.at(0).range == offset_range{{10}, {23}});
  CHECK(claim.seqs == 1);
  CHECK(core.flight().sources.at(1).keep_below == offset{23});
  apply();
  core.committed();
  CHECK(said() == texts{"ack 20", "ack 23"});
  CHECK(core.next_step() == lane_step::none);
  CHECK(core.halted() == lane_halt::oversized);
  CHECK(said() == texts{"hand back 20 #1", "hand back 30 #1"});
}

TEST_CASE_METHOD(fixture, "the reason of that halt names the record, its size "
                          "and what mends it") {
  give_oversized({.from = 10, .to = 30}, 10);
  CHECK(core.next_step() == lane_step::none);
  REQUIRE(core.halted() == lane_halt::oversized);
  const auto& reason = core.halt_reason();
  CHECK_THAT(reason, ContainsSubstring("of ticks/0 at offset 10: found a "
                                       "payload of 21 bytes"));
  CHECK_THAT(reason, ContainsSubstring("raise limits.max_record_bytes"));
  CHECK_THAT(reason, ContainsSubstring("set oversized to \"cut\" or \"keep\""));
  CHECK_THAT(reason, ContainsSubstring("'millrace lanes skip ticks/demo/0 "
                                       "--topic ticks --partition 0 --to 11'"));
}

TEST_CASE_METHOD(fixture, "a record that halts a lane is no reason any more "
                          "once it was passed over") {
  give_oversized({.from = 10, .to = 30, .rows = {12}}, 11);
  commit();
  CHECK(core.next_step() == lane_step::none);
  CHECK(core.halted() == lane_halt::oversized);
  core.resume();
  // As `millrace lanes skip` leaves the row; the consumer has the batch still.
  row.next_off[0] = {12};
  give_oversized({.from = 10, .to = 30, .rows = {12}}, 11);
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(row);
  commit();
  CHECK(row.next_off[0] == offset{30});
  CHECK(core.next_step() == lane_step::none);
  CHECK(core.halted() == lane_halt::none);
}

TEST_CASE_METHOD(fixture, "batches of other partitions ahead of a record that "
                          "halts the lane are written") {
  give({.from = 0, .to = 9, .rows = {3}, .partition = 1});
  give_oversized({.from = 10, .to = 20}, 10);
  REQUIRE(core.next_step() == lane_step::flush);
  REQUIRE(core.flight().claim.ranges.size() == 1);
  CHECK(core.flight().claim.ranges[0].at == slot{1});
  apply();
  core.committed();
  CHECK(core.next_step() == lane_step::none);
  CHECK(core.halted() == lane_halt::oversized);
}

TEST_CASE_METHOD(fixture, "the search for an event that PostgreSQL refuses "
                          "ends before a record that halts the lane") {
  give_oversized({.from = 10, .to = 20, .rows = {11, 12}}, 15);
  REQUIRE(core.next_step() == lane_step::flush);
  std::vector<int64_t> dead;
  for (int i = 0; i < 20 && core.halted() == lane_halt::none; ++i) {
    auto step = i == 0 ? lane_step::flush : core.next_step();
    if (step == lane_step::fetch) {
      core.fetched({});
    } else if (step == lane_step::flush) {
      const auto& part = core.flight().sources.at(0);
      auto keeps = part.keeps(offset{12}) && part.refused.empty();
      for (const auto& r : part.refused)
        dead.push_back(r.at.value);
      CHECK(part.keep_below <= offset{15});
      if (keeps) {
        core.data_refused({"23514", "no", "no"});
      } else {
        apply();
        core.committed();
      }
    }
  }
  CHECK(core.halted() == lane_halt::oversized);
  CHECK(dead == std::vector<int64_t>{12});
  CHECK(row.next_off[0] == offset{15});
}

TEST_CASE("a waiting event that is too large by now becomes a dead letter with "
          "all of its bytes") {
  waiting_set all;
  all.assign({{seq{3}, 9, {}}});
  waiting_round round{{}};
  round.begin(all);
  auto data = std::make_shared<batch>(*make_sample({.from = 5, .to = 6}));
  auto& why = data->rejects.emplace_back();
  why.at = offset{5};
  why.reason = "found a payload of 9 bytes";
  why.value = "the";
  why.value_bytes = 9;
  why.halts = true;
  retried_event event;
  event.raw.number = seq{3};
  event.raw.record.at = offset{5};
  event.raw.record.stage = reject_stage::waiting;
  event.raw.record.sqlstate = "23503";
  event.raw.record.has_value = true;
  event.raw.record.value = "the whole";
  event.data = std::move(data);
  std::vector<retried_event> events;
  events.push_back(std::move(event));
  round.add(std::move(events));
  flush work;
  REQUIRE(round.plan(sample_row({10}, {0}), work));
  const auto& letter = work.sources.at(0).refused.at(0);
  CHECK(letter.value == "the whole");
  CHECK(letter.value_bytes == -1);
  CHECK_FALSE(letter.halts);
  CHECK(letter.stage == reject_stage::decode);
  CHECK(letter.sqlstate.empty());
  CHECK(letter.reason == "found a payload of 9 bytes");
}
