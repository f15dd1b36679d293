#include "tests/lane/owned_lane.hpp"

using namespace millrace;
using namespace millrace::test;

// -- rule 12 ------------------------------------------------------------------

TEST_CASE("a batch is judged by where it begins and ends") {
  // The lane is durable up to 10, and [10, 20) is queued.
  struct {
    batch_spec given;
    texts said;
    lane_step step;
    std::size_t queued;
  } cases[] = {
    {{.from = 0, .to = 9, .rows = {8}}, {"ack 9"}, lane_step::flush, 1},
    {{.from = 5, .to = 10, .rows = {9}}, {"ack 10"}, lane_step::flush, 1},
    {{.from = 5, .to = 11, .rows = {10}}, {}, lane_step::flush, 1},
    {{.from = 10, .to = 20, .rows = {11}}, {}, lane_step::flush, 1},
    {{.from = 20, .to = 30, .rows = {21}}, {}, lane_step::flush, 2},
    {{.from = 15, .to = 30, .rows = {15, 21}}, {}, lane_step::flush, 2},
    {{.from = 21, .to = 30, .rows = {21}}, {}, lane_step::load, 2},
    {{.from = 10, .to = 30, .rows = {21}, .as = {8}}, {}, lane_step::load, 2},
    {{.from = 10, .to = 30, .rows = {21}, .map = {2}}, {}, lane_step::load, 2},
  };
  for (const auto& x : cases) {
    owned lane;
    lane.give({.from = 10, .to = 20, .rows = {11}});
    lane.give(x.given);
    CAPTURE(x.given.from, x.given.to);
    CHECK(lane.said() == x.said);
    CHECK(lane.core.queued_batches() == x.queued);
    CHECK(lane.core.next_step() == x.step);
  }
}

TEST_CASE_METHOD(owned, "a batch that is covered already is dropped without "
                        "an answer, since its ack comes from the other one") {
  give({.from = 10, .to = 20, .rows = {11}});
  give({.from = 10, .to = 15, .rows = {11}});
  CHECK(said().empty());
  // One more than the duplicate that the fixture began with: that was acked.
  CHECK(core.dropped_batches() == 1);
  commit();
  CHECK(said() == texts{"ack 20"});
  CHECK(core.queued_bytes() == 0);
}

TEST_CASE_METHOD(owned, "rows that another batch brought are trimmed") {
  give({.from = 10, .to = 20, .rows = {11, 19}});
  give({.from = 15, .to = 30, .rows = {19, 21}, .rejects = {16, 22}});
  REQUIRE(core.next_step() == lane_step::flush);
  const auto& flight = core.flight();
  REQUIRE(flight.sources.size() == 2);
  CHECK(flight.sources[0].trim_below == offset{10});
  CHECK(flight.sources[1].trim_below == offset{20});
  REQUIRE(flight.claim.ranges.size() == 1);
  CHECK(flight.claim.ranges[0].range == offset_range{{10}, {30}});
  CHECK(flight.claim.ranges[0].first_event == offset{11});
  // One for the flush, one for the reject that is left.
  CHECK(flight.claim.seqs == 2);
  CHECK(reject_count(flight) == 1);
  apply();
  core.committed();
  CHECK(said() == texts{"ack 20", "ack 30"});
}

TEST_CASE_METHOD(owned, "a gap is nacked only after the row was read again") {
  give({.from = 15, .to = 20, .rows = {16}});
  CHECK(said().empty());
  SECTION("which may fill it") {
    row.next_off[0] = {15};
    reload();
    CHECK(said().empty());
    CHECK(core.next_step() == lane_step::flush);
  }
  SECTION("which may be beyond the batch") {
    row.floors[0] = {40};
    reload();
    CHECK(said() == texts{"ack 20"});
  }
  SECTION("and then names the end of what is there") {
    reload();
    CHECK(said() == texts{"nack 10 #1"});
    CHECK(core.queued_batches() == 0);
    CHECK(core.queued_bytes() == 0);
  }
}

TEST_CASE_METHOD(owned, "the batches behind a gap cost no second nack") {
  give({.from = 15, .to = 20, .rows = {16}});
  reload();
  CHECK(said() == texts{"nack 10 #1"});
  give({.from = 20, .to = 25, .rows = {21}});
  CHECK(said().empty());
  CHECK(core.next_step() == lane_step::none);
  SECTION("but a new rewind may be nacked again") {
    give({.from = 20, .to = 25, .rows = {21}, .number = 2});
    reload();
    CHECK(said() == texts{"nack 10 #2"});
  }
  SECTION("nor does the rewound batch") {
    give({.from = 10, .to = 25, .rows = {11, 16, 21}, .number = 2});
    commit();
    CHECK(said() == texts{"ack 25"});
  }
}

TEST_CASE_METHOD(owned, "the nack names the end of the queue") {
  give({.from = 10, .to = 20, .rows = {11}});
  give({.from = 25, .to = 30, .rows = {26}});
  reload();
  CHECK(said() == texts{"nack 20 #1"});
  commit();
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE("a batch that does not fit the row is handed back once the row was "
          "read again") {
  batch_spec foreign[] = {
    {.from = 10, .to = 20, .rows = {11}, .as = {8}},
    {.from = 10, .to = 20, .rows = {11}, .map = {4}},
    {.from = 10, .to = 20, .rows = {11}, .partition = 2},
    {.from = 10, .to = 20, .rows = {11}, .partition = -1},
  };
  for (const auto& x : foreign) {
    owned lane;
    lane.give(x);
    CHECK(lane.said().empty());
    lane.reload();
    CHECK(lane.said() == texts{"hand back 10 #1"});
    CHECK(lane.core.next_step() == lane_step::none);
    CHECK(lane.core.queued_bytes() == 0);
  }
}

TEST_CASE_METHOD(owned, "a partition that came after the takeover is written") {
  give({.from = 0, .to = 20, .rows = {11}, .partition = 2});
  row.next_off.push_back({0});
  row.floors.push_back({0});
  reload();
  CHECK(said().empty());
  commit();
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(owned,
                 "when the shape was changed behind the writer, the queue is "
                 "judged by the new one") {
  give({.from = 10, .to = 15, .rows = {11}});
  give({.from = 15, .to = 20, .rows = {16}, .as = {8}});
  row.shape = {8};
  reload();
  CHECK(said() == texts{"hand back 10 #1", "nack 10 #1"});
}

TEST_CASE_METHOD(owned, "what comes behind a batch that waits for the row "
                        "waits, too") {
  give({.from = 15, .to = 20, .rows = {16}});
  give({.from = 10, .to = 15, .rows = {11}});
  CHECK(said().empty());
  row.next_off[0] = {15};
  reload();
  CHECK(said() == texts{"ack 15"});
  CHECK(core.queued_batches() == 1);
}

TEST_CASE_METHOD(owned, "rows below what is durable are dropped again when "
                        "the flush is built") {
  give({.from = 10, .to = 20, .rows = {11}});
  REQUIRE(core.next_step() == lane_step::flush);
  give({.from = 20, .to = 30, .rows = {21, 25}, .rejects = {22}});
  core.refused();
  // A floor has overtaken the first batch and a part of the second.
  row.floors[0] = {23};
  reload();
  CHECK(said() == texts{"ack 20"});
  REQUIRE(core.next_step() == lane_step::flush);
  const auto& claim = core.flight().claim;
  REQUIRE(claim.ranges.size() == 1);
  CHECK(claim.ranges[0].old_next == offset{10});
  CHECK(claim.ranges[0].range == offset_range{{20}, {30}});
  CHECK(claim.ranges[0].first_event == offset{25});
  CHECK(claim.seqs == 1);
}

TEST_CASE_METHOD(owned, "a full queue drops batches and keeps what it has") {
  give({.from = 10, .to = 20, .rows = {11}, .row_bytes = 3'000});
  give({.from = 20, .to = 30, .rows = {21}, .row_bytes = 3'000});
  CHECK(core.queued_batches() == 1);
  CHECK(core.dropped_batches() == 1);
  CHECK(said().empty());
  commit();
  CHECK(said() == texts{"ack 20"});
  // The gap that the drop has left is told.
  give({.from = 30, .to = 40, .rows = {31}});
  reload();
  CHECK(said() == texts{"nack 20 #1"});
}

TEST_CASE_METHOD(owned, "a batch above the limit is taken when it is alone") {
  give({.from = 10, .to = 20, .rows = {11}, .row_bytes = 50'000});
  commit();
  CHECK(said() == texts{"ack 20"});
}
