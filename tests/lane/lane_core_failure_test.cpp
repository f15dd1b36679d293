#include "tests/lane/owned_lane.hpp"

using namespace millrace;
using namespace millrace::test;

// -- rules 18, 20 and 21 ------------------------------------------------------

TEST_CASE_METHOD(owned, "after a refusal all batches are judged by the row") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  give({.from = 20, .to = 30, .rows = {21}});
  core.refused();
  CHECK(core.next_step() == lane_step::load);
  SECTION("which may have fallen back") {
    row.next_off[0] = {5};
    core.loaded(row);
    CHECK(said() == texts{"nack 5 #1"});
    CHECK(core.queued_batches() == 0);
  }
  SECTION("which may have moved on") {
    row.next_off[0] = {20};
    row.next_seq = {101};
    core.loaded(row);
    CHECK(said() == texts{"ack 20"});
    REQUIRE(core.next_step() == lane_step::flush);
    CHECK(core.flight().claim.next_seq == seq{101});
  }
  SECTION("which may be gone") {
    core.loaded(std::nullopt);
    CHECK(core.halted() == lane_halt::row_missing);
    CHECK(said() == texts{"hand back 10 #1", "hand back 20 #1"});
  }
}

TEST_CASE_METHOD(owned, "a claim that is refused without end halts the lane") {
  give({.from = 10, .to = 20, .rows = {11}});
  int refusals = 0;
  while (core.halted() == lane_halt::none && refusals < 100) {
    REQUIRE(core.next_step() == lane_step::flush);
    core.refused();
    ++refusals;
    if (core.next_step() == lane_step::load)
      core.loaded(row);
  }
  CHECK(core.halted() == lane_halt::stuck);
  CHECK(refusals == 17);
  CHECK(said() == texts{"hand back 10 #1"});
  // Resumed, it has as many tries as before.
  core.resume();
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(row);
  REQUIRE(core.next_step() == lane_step::flush);
  core.refused();
  CHECK(core.halted() == lane_halt::none);
}

TEST_CASE_METHOD(owned, "a flush that was rolled back is sent again as it "
                        "was, ahead of what came later") {
  give({.from = 10, .to = 20, .rows = {11}});
  give({.from = 0, .to = 5, .rows = {2}, .partition = 1});
  REQUIRE(core.next_step() == lane_step::flush);
  give({.from = 20, .to = 30, .rows = {21}});
  core.retry();
  REQUIRE(core.next_step() == lane_step::flush);
  const auto& sources = core.flight().sources;
  REQUIRE(sources.size() == 3);
  CHECK(sources[0].data->range.from == offset{10});
  CHECK(sources[1].data->source.number == partition{1});
  CHECK(sources[2].data->range.from == offset{20});
  CHECK(core.flight().claim.next_seq == seq{100});
}

TEST_CASE_METHOD(owned, "a flush that took too long is halved, and grows "
                        "again with each commit") {
  for (int64_t i = 1; i <= 4; ++i)
    give({.from = i * 10, .to = i * 10 + 10, .rows = {i * 10 + 1}});
  REQUIRE(core.next_step() == lane_step::flush);
  auto before = core.flight().sources.size();
  REQUIRE(before > 1);
  core.retry_smaller();
  REQUIRE(core.next_step() == lane_step::flush);
  auto halved = core.flight().sources.size();
  CHECK(halved < before);
  apply();
  core.committed();
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().sources.size() >= halved);
}

TEST_CASE_METHOD(owned, "a flush in doubt is resolved by the row") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  give({.from = 20, .to = 30, .rows = {21}});
  SECTION("committed: it is acked and not sent again") {
    apply();
    core.lost();
    REQUIRE(core.next_step() == lane_step::resolve);
    core.loaded(row);
    CHECK(said() == texts{"ack 20"});
    REQUIRE(core.next_step() == lane_step::flush);
    CHECK(core.flight().claim.ranges.at(0).range == offset_range{{20}, {30}});
  }
  SECTION("not committed: it is sent again") {
    core.lost();
    REQUIRE(core.next_step() == lane_step::resolve);
    core.loaded(row);
    CHECK(said().empty());
    REQUIRE(core.next_step() == lane_step::flush);
    CHECK(core.flight().claim.ranges.at(0).range == offset_range{{10}, {30}});
  }
  SECTION("unknown until an answer comes, whatever else happens") {
    core.lost();
    REQUIRE(core.next_step() == lane_step::resolve);
    core.step_failed();
    core.reconnected();
    give({.from = 10, .to = 20, .rows = {11}});
    CHECK(said().empty());
    REQUIRE(core.next_step() == lane_step::resolve);
  }
}

TEST_CASE_METHOD(owned, "a flight that ends after a failover is no proof: the "
                        "row is read before the next one") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  core.reconnected();
  give({.from = 20, .to = 30, .rows = {21}});
  apply();
  core.committed();
  CHECK(said() == texts{"ack 20"});
  row.next_off[0] = {10};
  row.next_seq = {100};
  reload();
  CHECK(said() == texts{"nack 10 #1"});
}

// -- rule 22 ------------------------------------------------------------------

TEST_CASE_METHOD(owned, "after a reconnect the row is read before any batch "
                        "is judged") {
  core.reconnected();
  give({.from = 0, .to = 10, .rows = {9}});
  CHECK(said().empty());
  row.next_off[0] = {4};
  reload();
  CHECK(said().empty());
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().claim.ranges.at(0).old_next == offset{4});
}

TEST_CASE_METHOD(owned, "an answer that was asked for before a reconnect is "
                        "not believed") {
  give({.from = 15, .to = 20, .rows = {16}});
  REQUIRE(core.next_step() == lane_step::load);
  core.reconnected();
  auto before = row;
  before.next_off[0] = {20};
  core.loaded(before);
  CHECK(said().empty());
  reload();
  CHECK(said() == texts{"nack 10 #1"});
}

TEST_CASE("a reconnect without a row asks for nothing") {
  lane_core core{sample_lane, {}};
  core.reconnected();
  CHECK(core.next_step() == lane_step::none);
}

TEST_CASE_METHOD(owned, "a load that fails is asked again") {
  give({.from = 15, .to = 20, .rows = {16}});
  REQUIRE(core.next_step() == lane_step::load);
  core.step_failed();
  CHECK(said().empty());
  reload();
  CHECK(said() == texts{"nack 10 #1"});
}

// -- halts --------------------------------------------------------------------

TEST_CASE("a row that is halted or parked halts the lane") {
  for (auto state : {lane_state::halted, lane_state::parked}) {
    lane_core core{sample_lane, {}};
    core.receive(make_sample({.from = 0, .to = 3, .rows = {1}}), slot{0});
    REQUIRE(core.next_step() == lane_step::take_over);
    auto row = sample_row({0, 0}, {0, 0});
    row.state = state;
    core.took_over(row);
    CHECK(core.halted() == lane_halt::by_row);
    CHECK(core.halt_reason().find(to_string(state)) != std::string::npos);
    CHECK(to_texts(core.take_replies()) == texts{"hand back 0 #1"});
    CHECK(core.next_step() == lane_step::none);
  }
}

TEST_CASE_METHOD(owned, "a halted lane hands everything back until it is "
                        "resumed") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  give({.from = 20, .to = 30, .rows = {21}});
  core.halt(lane_halt::data, "22003: out of range");
  CHECK(said() == texts{"hand back 10 #1", "hand back 20 #1"});
  give({.from = 30, .to = 40, .rows = {31}});
  CHECK(said() == texts{"hand back 30 #1"});
  CHECK(core.next_step() == lane_step::none);
  CHECK(core.queued_bytes() == 0);
  CHECK(core.halt_reason() == "22003: out of range");

  core.resume();
  CHECK(core.next_step() == lane_step::none);
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(row);
  commit();
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(owned, "to resume a lane that runs changes nothing") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  core.resume();
  apply();
  core.committed();
  CHECK(said() == texts{"ack 20"});
}
