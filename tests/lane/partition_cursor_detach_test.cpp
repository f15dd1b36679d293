#include "tests/lane/cursor_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

/// Lane 0 has had nine tenths of the traffic of late, lane 1 the rest.
struct detach_fixture : cursor_fixture {
  void hold_with_traffic() {
    hold();
    read(0, 20);
    send(0, 90);
    read(1, 30);
    send(1, 10);
    cursor.ack(0, {20}, now);
    cursor.ack(1, {30}, now);
    cursor.take_changes();
  }

  using state = partition_cursor::run_state;

  state tend(bool verified = true) {
    return cursor.tend_run(verified, now);
  }

  /// The catch-up reads up to `to`.
  void catch_up(int64_t to) {
    cursor.advance({to}, reading_kind::catch_up);
  }

  offset run_position() const {
    return cursor.position(reading_kind::catch_up);
  }

  bool caught(std::size_t who, int64_t at) const {
    return cursor.wants(who, {at}, reading_kind::catch_up);
  }
};

} // namespace

// -- leaving and rejoining ----------------------------------------------------

TEST_CASE_METHOD(detach_fixture, "a detached lane wants nothing of the main "
                                 "reading and keeps its cut") {
  hold_with_traffic();
  cursor.detach(1);
  read(1, 40);
  CHECK_FALSE(cursor.wants(1, {35}));
  CHECK(cursor.cut_of(1) == offset{30});
  CHECK(cursor.detached_lanes() == 1);
  auto changes = cursor.take_changes();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].lane == 1);
  CHECK(changes[0].from == lane_mode::attached);
  CHECK(changes[0].to == lane_mode::detached);
  CHECK(changes[0].cut == offset{30});
  CHECK(cursor.take_changes().empty());
}

TEST_CASE_METHOD(detach_fixture, "a run starts at the least cut and brings "
                                 "its lanes, and no other, what lies above "
                                 "their cuts") {
  hold_with_traffic();
  cursor.detach(1);
  read(0, 40);
  cursor.detach(0);
  read(2, 60);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{20});
  CHECK_FALSE(caught(0, 19));
  CHECK(caught(0, 20));
  CHECK_FALSE(caught(1, 29));
  CHECK(caught(1, 30));
  CHECK_FALSE(caught(2, 30));
  CHECK_FALSE(cursor.wants(0, {60}));
}

TEST_CASE_METHOD(detach_fixture, "lanes rejoin where both readings meet: the "
                                 "last offset before it comes from the "
                                 "catch-up, the next from the main reading") {
  hold_with_traffic();
  cursor.detach(1);
  read(1, 40);
  REQUIRE(cursor.begin_run(now));
  CHECK(cursor.judge({39}, reading_kind::catch_up) == record_verdict::hole);
  CHECK(cursor.judge({40}, reading_kind::catch_up) == record_verdict::beyond);
  CHECK(cursor.judge({41}, reading_kind::catch_up) == record_verdict::beyond);
  catch_up(39);
  CHECK(tend() == state::going);
  CHECK(caught(1, 39));
  catch_up(40);
  CHECK(tend(false) == state::going);
  CHECK(mode(1) == lane_mode::catching_up);
  CHECK(tend() == state::rejoined);
  CHECK(mode(1) == lane_mode::attached);
  CHECK(cursor.wants(1, {40}));
  CHECK_FALSE(cursor.is_running());
  // One range covers what both have brought.
  read(1, 50);
  CHECK(send(1).range == offset_range{{30}, {50}});
}

TEST_CASE_METHOD(detach_fixture, "a lane is cut at the position of its own "
                                 "reading") {
  hold_with_traffic();
  cursor.detach(1);
  read(0, 100);
  REQUIRE(cursor.begin_run(now));
  catch_up(50);
  CHECK(send(1).range == offset_range{{30}, {50}});
  CHECK(send(0).range == offset_range{{20}, {100}});
}

TEST_CASE_METHOD(detach_fixture, "a lane of which nothing was read meanwhile "
                                 "rejoins without a run") {
  hold_with_traffic();
  cursor.detach(1);
  CHECK_FALSE(cursor.begin_run(now));
  cursor.attach_ready();
  CHECK(mode(1) == lane_mode::attached);
}

TEST_CASE_METHOD(detach_fixture, "a lane waits until half of its credit is "
                                 "back") {
  hold_with_traffic();
  read(1, 40);
  send(1, 51);
  read(1, 50);
  send(1, 49);
  REQUIRE_FALSE(cursor.has_credit(1));
  cursor.detach(1);
  read(0, 60);
  CHECK_FALSE(cursor.begin_run(now));
  cursor.ack(1, {40}, now);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{50});
}

TEST_CASE_METHOD(detach_fixture, "a lane that leaves the run waits with its "
                                 "cut, and a later run takes it") {
  hold_with_traffic();
  cursor.detach(0);
  cursor.detach(1);
  read(2, 100);
  REQUIRE(cursor.begin_run(now));
  catch_up(50);
  send(0, 100);
  cursor.detach(0);
  CHECK(tend() == state::going);
  catch_up(100);
  CHECK(tend() == state::rejoined);
  CHECK(mode(1) == lane_mode::attached);
  CHECK(mode(0) == lane_mode::detached);
  CHECK_FALSE(cursor.begin_run(now));
  cursor.ack(0, {50}, now);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{50});
}

TEST_CASE_METHOD(detach_fixture, "a run that nobody is left in is over") {
  hold_with_traffic();
  cursor.detach(1);
  read(0, 100);
  REQUIRE(cursor.begin_run(now));
  cursor.detach(1);
  CHECK(tend() == state::over);
  CHECK(tend() == state::none);
}

TEST_CASE_METHOD(detach_fixture, "a lane that the run has not passed joins "
                                 "it, others wait for the next") {
  hold_with_traffic();
  cursor.detach(1);
  read(0, 100);
  REQUIRE(cursor.begin_run(now));
  catch_up(40);
  send(0);
  cursor.ack(0, {100}, now);
  read(0, 120);
  cursor.detach(0);
  CHECK_FALSE(cursor.others_wait());
  cursor.join_run();
  CHECK(mode(0) == lane_mode::catching_up);
  // Lane 1 falls back behind the run.
  send(1);
  cursor.nack(1, {30}, cursor.number_of(1), now);
  CHECK(mode(1) == lane_mode::detached);
  cursor.join_run();
  CHECK(mode(1) == lane_mode::detached);
  CHECK(cursor.others_wait());
  CHECK(tend() == state::going);
  now += 10s;
  CHECK(tend() == state::over);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{30});
}

TEST_CASE("a run whose lanes are all far ahead is over, and the next one "
          "starts there") {
  partition_cursor cursor{{lane(0), lane(1), lane(2)},
                          {.credit_bytes = 100, .near_offsets = 50}};
  partition_cursor::clock::time_point now{1h};
  cursor.assign(view_of(10, 500, 10), {{0}, {1'000}});
  cursor.advance({900});
  cursor.detach(0);
  cursor.detach(1);
  REQUIRE(cursor.begin_run(now));
  CHECK(cursor.tend_run(true, now) == partition_cursor::run_state::going);
  cursor.advance({20}, reading_kind::catch_up);
  cursor.cut(0, 100, now);
  cursor.detach(0);
  CHECK(cursor.tend_run(true, now) == partition_cursor::run_state::over);
  REQUIRE(cursor.begin_run(now));
  CHECK(cursor.position(reading_kind::catch_up) == offset{500});
}

TEST_CASE("the main reading waits for a catch-up that is near and gets on") {
  partition_cursor cursor{{lane(0), lane(1), lane(2)},
                          {.detach_after = 2s, .near_offsets = 50}};
  partition_cursor::clock::time_point now{1h};
  cursor.assign(view_of(10, 10, 10), {{0}, {1'000}});
  cursor.detach(1);
  cursor.advance({100});
  REQUIRE(cursor.begin_run(now));
  CHECK_FALSE(cursor.main_waits(now));
  cursor.advance({49}, reading_kind::catch_up);
  cursor.tend_run(true, now);
  CHECK_FALSE(cursor.main_waits(now));
  cursor.advance({50}, reading_kind::catch_up);
  cursor.tend_run(true, now);
  CHECK(cursor.main_waits(now));
  // But not for one that stands still.
  CHECK_FALSE(cursor.main_waits(now + 2s));
  cursor.advance({100}, reading_kind::catch_up);
  // It is there, and a hole is looked at.
  cursor.tend_run(false, now);
  CHECK(cursor.main_waits(now + 2s));
  cursor.tend_run(true, now);
  CHECK_FALSE(cursor.main_waits(now));
}

// -- rewinds ------------------------------------------------------------------

TEST_CASE_METHOD(detach_fixture, "a nack of a lane with little of the traffic "
                                 "detaches it, others are not read again") {
  hold_with_traffic();
  read(1, 40);
  auto sent = send(1, 1);
  CHECK_FALSE(cursor.goes_back(1));
  CHECK_FALSE(cursor.nack(1, {35}, sent.number, now));
  CHECK(cursor.position() == offset{40});
  CHECK(mode(1) == lane_mode::detached);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{35});
  catch_up(40);
  CHECK(send(1).range == offset_range{{35}, {40}});
}

TEST_CASE_METHOD(detach_fixture, "a nack of a lane with most of the traffic "
                                 "takes the partition back") {
  hold_with_traffic();
  read(0, 40);
  auto sent = send(0, 1);
  CHECK(cursor.goes_back(0));
  CHECK(cursor.nack(0, {35}, sent.number, now));
  CHECK(cursor.position() == offset{35});
  CHECK(mode(0) == lane_mode::attached);
}

TEST_CASE_METHOD(detach_fixture, "lanes that are rewound one by one take the "
                                 "partition back once they are half of it") {
  hold();
  millrace::rewind numbers[3];
  for (std::size_t i = 0; i < 3; ++i) {
    read(i, 20 + static_cast<int64_t>(i));
    numbers[i] = send(i, 10).number;
  }
  read(2, 100);
  CHECK_FALSE(cursor.nack(1, {15}, numbers[1], now));
  CHECK(mode(1) == lane_mode::detached);
  REQUIRE(cursor.begin_run(now));
  CHECK(cursor.nack(0, {18}, numbers[0], now));
  CHECK(cursor.position() == offset{15});
  CHECK(tend() == state::rejoined);
  cursor.attach_ready();
  CHECK(cursor.detached_lanes() == 0);
  // The third one is read for in passing.
  CHECK_FALSE(cursor.nack(2, {16}, numbers[2], now));
  CHECK(mode(2) == lane_mode::attached);
}

TEST_CASE_METHOD(detach_fixture, "a share of the traffic fades") {
  hold_with_traffic();
  now += 60s;
  read(1, 40);
  send(1, 10);
  CHECK(cursor.goes_back(1));
  CHECK_FALSE(cursor.goes_back(0));
}

TEST_CASE_METHOD(detach_fixture, "a nack of a detached lane only moves its "
                                 "cut") {
  hold_with_traffic();
  read(1, 40);
  auto sent = send(1, 1);
  cursor.detach(1);
  CHECK_FALSE(cursor.nack(1, {35}, sent.number, now));
  CHECK(cursor.cut_of(1) == offset{35});
  CHECK(cursor.position() == offset{40});
}

TEST_CASE_METHOD(detach_fixture, "a main position that goes back behind the "
                                 "catch-up ends the run; lanes beyond it are "
                                 "attached as they are") {
  hold_with_traffic();
  read(0, 200);
  auto sent = send(0, 100);
  cursor.detach(1);
  REQUIRE(cursor.begin_run(now));
  catch_up(150);
  send(1);
  CHECK(cursor.nack(0, {120}, sent.number, now));
  CHECK(cursor.position() == offset{120});
  CHECK(tend() == state::over);
  cursor.attach_ready();
  CHECK(mode(1) == lane_mode::attached);
  CHECK_FALSE(cursor.wants(1, {149}));
  CHECK(cursor.wants(1, {150}));
}

// -- audits -------------------------------------------------------------------

TEST_CASE_METHOD(detach_fixture, "a lane that halts is inactive, the others "
                                 "go on without a new assignment") {
  hold_with_traffic();
  CHECK_FALSE(audit(halted_lane(view_of(20, 30, 10, 10, 2), 1)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK(mode(1) == lane_mode::inactive);
  CHECK_FALSE(cursor.wants(1, {40}));
  CHECK(cursor.wants(0, {40}));
  // Its events hold the floor, in the database.
  read(1, 50);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->touched[1].id == lane(1));
}

TEST_CASE_METHOD(detach_fixture, "a lane that halts frees what it was lent, "
                                 "and its late answers do nothing") {
  hold_with_traffic();
  read(1, 40);
  auto sent = send(1, 100);
  audit(halted_lane(view_of(20, 30, 10, 10, 2), 1));
  CHECK(cursor.lent_bytes() == 0);
  CHECK_FALSE(cursor.needs_resync(now + 1h));
  CHECK_FALSE(cursor.nack(1, {35}, sent.number, now));
  CHECK(mode(1) == lane_mode::inactive);
}

TEST_CASE_METHOD(detach_fixture, "a lane that is resumed is caught up from its "
                                 "effective offset") {
  assign(halted_lane(view_of(30, 12, 40), 1));
  full_act(12, 2);
  read(0, 50);
  read(1, 60);
  CHECK_FALSE(audit(view_of(30, 12, 40, 12, 2)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK(mode(1) == lane_mode::detached);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{12});
  catch_up(60);
  CHECK(tend() == state::rejoined);
  CHECK(send(1).range == offset_range{{12}, {60}});
}

TEST_CASE_METHOD(detach_fixture, "a floor stays frozen while a resumed lane "
                                 "is below the start") {
  assign(halted_lane(view_of(30, 12, 40), 1));
  full_act(12, 2);
  read(0, 50);
  send(0);
  cursor.ack(0, {50}, now);
  audit(view_of(50, 12, 40, 12, 2));
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->full);
  full_act(20, 3);
  CHECK_FALSE(cursor.holds_floor());
  full_act(30, 4);
  CHECK(cursor.holds_floor());
}

TEST_CASE_METHOD(detach_fixture, "a floor that this consumer holds waits for "
                                 "its detached lanes") {
  hold_with_traffic();
  auto act = cursor.propose();
  REQUIRE(act);
  cursor.floor_answer(*act, {true, {30}, token(3), {3}, false});
  cursor.detach(1);
  read(1, 40);
  CHECK_FALSE(cursor.propose());
  REQUIRE(cursor.begin_run(now));
  catch_up(40);
  tend();
  send(1);
  CHECK_FALSE(cursor.propose());
  cursor.ack(1, {40}, now);
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{40});
}

TEST_CASE_METHOD(detach_fixture, "a failover during a catch-up takes its lane "
                                 "back to what is durable") {
  hold_with_traffic();
  cursor.detach(1);
  read(0, 100);
  REQUIRE(cursor.begin_run(now));
  catch_up(60);
  send(1);
  cursor.ack(1, {60}, now);
  CHECK_FALSE(audit(view_of(20, 40, 10, 10, 2)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK(mode(1) == lane_mode::detached);
  CHECK(cursor.cut_of(1) == offset{40});
  CHECK(cursor.position() == offset{100});
  CHECK(tend() == state::over);
  REQUIRE(cursor.begin_run(now));
  CHECK(run_position() == offset{40});
}

TEST_CASE_METHOD(detach_fixture, "a failover that took back lanes with most of "
                                 "the traffic takes the partition back") {
  hold_with_traffic();
  CHECK(audit(view_of(15, 25, 10, 10, 2)));
  CHECK(cursor.position() == offset{15});
  CHECK(mode(0) == lane_mode::attached);
  CHECK(mode(1) == lane_mode::attached);
}

TEST_CASE_METHOD(detach_fixture, "a detached lane that fell below the start is "
                                 "caught up from there") {
  assign(halted_lane(view_of(30, 12, 40), 1));
  full_act(12, 2);
  read(0, 50);
  audit(view_of(30, 35, 40, 12, 2));
  REQUIRE(mode(1) == lane_mode::detached);
  CHECK_FALSE(audit(view_of(30, 20, 40, 12, 2)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK(cursor.cut_of(1) == offset{20});
}

// -- retention ----------------------------------------------------------------

TEST_CASE_METHOD(detach_fixture, "a lane whose loss is not in its row yet is "
                                 "not resumed") {
  assign(view_of(30, 20, 40), {{25}, {100}});
  full_act(20, 2);
  audit(view_of(30, 20, 40, 20, 2));
  CHECK(mode(1) == lane_mode::inactive);
  CHECK(cursor.lost().size() == 1);
  SECTION("once it is, nothing more is to be told") {
    audit(halted_lane(view_of(30, 20, 40, 20, 2), 1));
    CHECK(cursor.lost().empty());
    // And resuming it is the operator's will.
    audit(view_of(30, 26, 40, 20, 2));
    CHECK(mode(1) == lane_mode::detached);
  }
  SECTION("unless it has moved") {
    audit(view_of(30, 28, 40, 20, 2));
    CHECK(mode(1) == lane_mode::detached);
    CHECK(cursor.lost().empty());
  }
}
