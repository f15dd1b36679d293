#include "tests/lane/detach_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

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
