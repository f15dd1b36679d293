#include "actors/lane/lane_core.hpp"
#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

/// A core that has taken over a lane which stands at 10 in partition 0 and at
/// 0 in partition 1.
struct owned {
  lane_row row = sample_row({10, 0}, {0, 0});
  lane_core core{sample_lane, {.flush_bytes = 1'000, .queue_bytes = 4'000}};

  owned() {
    // The takeover happens at a first batch; this one says nothing new.
    give({.from = 0, .to = 5, .rows = {1}});
    REQUIRE(core.next_step() == lane_step::take_over);
    core.took_over(row);
    REQUIRE(said() == texts{"ack 5"});
  }

  void give(const batch_spec& x) {
    core.receive(make_sample(x), slot{x.partition});
  }

  texts said() {
    return to_texts(core.take_replies());
  }

  /// Runs the next flush to its commit and checks that there is one.
  void commit() {
    REQUIRE(core.next_step() == lane_step::flush);
    apply();
    core.committed();
  }

  /// What PostgreSQL does with a flush.
  void apply() {
    const auto& c = core.flight().claim;
    row.next_seq.value += c.seqs;
    for (const auto& x : c.ranges)
      row.next_off[static_cast<std::size_t>(x.at.value)] = x.range.to;
  }

  void reload() {
    REQUIRE(core.next_step() == lane_step::load);
    core.loaded(row);
  }
};

} // namespace

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
