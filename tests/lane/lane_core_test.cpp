#include "tests/lane/owned_lane.hpp"

using namespace millrace;
using namespace millrace::test;

// -- rule 11 ------------------------------------------------------------------

TEST_CASE("a lane is taken over at its first batch, not before") {
  lane_core core{sample_lane, {}};
  CHECK(core.next_step() == lane_step::none);
  core.receive(make_sample({.from = 0, .to = 3, .rows = {1}}), slot{0});
  CHECK(core.next_step() == lane_step::take_over);
  CHECK(core.next_step() == lane_step::none);
  CHECK_FALSE(core.owns_row());
}

TEST_CASE("a takeover that fails is tried again and keeps the batches") {
  lane_core core{sample_lane, {}};
  core.receive(make_sample({.from = 0, .to = 3, .rows = {1}}), slot{0});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.step_failed();
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(sample_row({0, 0}, {0, 0}));
  CHECK(core.next_step() == lane_step::flush);
}

TEST_CASE_METHOD(owned, "a fenced writer keeps its batches and takes over "
                        "again with a higher count of attempts") {
  give({.from = 10, .to = 12, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  core.refused();
  REQUIRE(core.next_step() == lane_step::load);
  auto other = row;
  other.epoch = {5};
  other.owner.bytes.fill(0x22);
  core.loaded(other);
  CHECK_FALSE(core.owns_row());
  CHECK(core.attempts() == 1);
  CHECK(core.queued_batches() == 1);
  REQUIRE(core.next_step() == lane_step::take_over);
  other.epoch = {6};
  core.took_over(other);
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().claim.epoch == epoch{6});
  CHECK(core.flight().claim.owner == other.owner);
  core.committed();
  CHECK(core.attempts() == 0);
}

TEST_CASE_METHOD(owned, "the same owner under another epoch is fenced, too") {
  core.reconnected();
  REQUIRE(core.next_step() == lane_step::load);
  row.epoch = {3};
  core.loaded(row);
  CHECK_FALSE(core.owns_row());
}

// -- rules 13 and 14 ----------------------------------------------------------

TEST_CASE_METHOD(owned, "one flush is in flight and the next one gathers") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  give({.from = 20, .to = 30, .rows = {21}});
  give({.from = 0, .to = 7, .rows = {2}, .partition = 1});
  CHECK(core.next_step() == lane_step::none);
  apply();
  core.committed();
  CHECK(said() == texts{"ack 20"});
  REQUIRE(core.next_step() == lane_step::flush);
  const auto& claim = core.flight().claim;
  CHECK(claim.next_seq == seq{101});
  REQUIRE(claim.ranges.size() == 2);
  CHECK(claim.ranges[0].at == slot{0});
  CHECK(claim.ranges[0].old_next == offset{20});
  CHECK(claim.ranges[1].at == slot{1});
  CHECK(claim.ranges[1].old_next == offset{0});
  apply();
  core.committed();
  CHECK(said() == texts{"ack 30", "ack 7"});
}

TEST_CASE_METHOD(owned, "a claim names the row as it was read") {
  give({.from = 8, .to = 20, .rows = {9, 12}});
  REQUIRE(core.next_step() == lane_step::flush);
  const auto& claim = core.flight().claim;
  CHECK(claim.lane == sample_lane);
  CHECK(claim.epoch == row.epoch);
  CHECK(claim.owner == row.owner);
  CHECK(claim.next_seq == seq{100});
  CHECK(claim.map_version == sample_version);
  CHECK(claim.shape == sample_shape);
  REQUIRE(claim.ranges.size() == 1);
  CHECK(claim.ranges[0].old_next == offset{10});
  CHECK(claim.ranges[0].range == offset_range{{8}, {20}});
  CHECK(claim.ranges[0].first_event == offset{12});
}

TEST_CASE_METHOD(owned, "the claim's old offset is the lane's own, not the "
                        "floor") {
  row.floors[0] = {15};
  core.reconnected();
  reload();
  give({.from = 15, .to = 20, .rows = {16}});
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().claim.ranges.at(0).old_next == offset{10});
}

TEST_CASE_METHOD(owned, "a batch without rows moves the lane on") {
  give({.from = 10, .to = 20});
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().claim.ranges.at(0).first_event == std::nullopt);
  CHECK(core.flight().claim.seqs == 1);
  apply();
  core.committed();
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(owned, "each reject takes a seq of its own") {
  give({.from = 10, .to = 20, .rows = {12}, .rejects = {11, 13}});
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().claim.seqs == 3);
  CHECK(core.flight().claim.ranges.at(0).first_event == offset{11});
  apply();
  core.committed();
  give({.from = 20, .to = 30, .rows = {22}});
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().claim.next_seq == seq{103});
}

TEST_CASE_METHOD(owned, "a flush closes at its limit of bytes") {
  for (int64_t at : {10, 20, 30})
    give({.from = at, .to = at + 10, .rows = {at}, .row_bytes = 400});
  REQUIRE(core.next_step() == lane_step::flush);
  CHECK(core.flight().sources.size() == 1);
  apply();
  core.committed();
  commit();
  commit();
  CHECK(said() == texts{"ack 20", "ack 30", "ack 40"});
}
