#include "tests/lane/cursor_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

// -- rule 9 -------------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "an ack that the database does not know is "
                                 "void") {
  hold();
  read(0, 20);
  send(0);
  cursor.ack(0, {20}, now);
  CHECK(audit(view_of(12, 10, 10, 10, 2)));
  CHECK(cursor.position() == offset{12});
  CHECK(cursor.wants(0, {12}));
}

TEST_CASE_METHOD(cursor_fixture, "an ack that came after the view was asked "
                                 "for is not void") {
  hold();
  read(0, 20);
  send(0);
  auto asked = cursor.acks();
  cursor.ack(0, {20}, now);
  CHECK_FALSE(cursor.audit(view_of(10, 10, 10, 10, 2), now, asked));
  CHECK(cursor.position() == offset{20});
  CHECK(cursor.acks().front() == offset{20});
  // The next view must know of it.
  CHECK(cursor.audit(view_of(10, 10, 10, 10, 2), now, cursor.acks()));
  CHECK(cursor.position() == offset{10});
}

TEST_CASE_METHOD(cursor_fixture, "an audit that finds all in order changes "
                                 "nothing") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(audit(view_of(10, 10, 10, 10, 2)));
  CHECK_FALSE(audit(view_of(20, 10, 10, 10, 2)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK_FALSE(cursor.is_idle(0));
}

TEST_CASE_METHOD(cursor_fixture, "what calls for a new assignment") {
  hold();
  read(0, 20);
  send(0);
  auto good = view_of(10, 10, 10, 10, 2);
  auto bad = good;
  SECTION("a lane below the start") {
    bad.lanes[1].effective = {9};
  }
  SECTION("another map") {
    bad.map_version = {4};
  }
  SECTION("a floor row that is halted") {
    bad.halted = true;
  }
  SECTION("another token at a lower floor") {
    bad.token = token(9);
    bad.floor = {9};
  }
  SECTION("another token at a floor beyond the position") {
    bad.token = token(9);
    bad.floor = {21};
  }
  CHECK_FALSE(audit(good));
  REQUIRE_FALSE(cursor.needs_assign());
  CHECK_FALSE(audit(bad));
  CHECK(cursor.needs_assign());
}

TEST_CASE_METHOD(cursor_fixture, "another's floor is followed when it is "
                                 "higher and all below it was read") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(audit(view_of(20, 20, 20, 20, 9)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK(cursor.floor() == offset{20});
  // The next act is guarded by what was seen.
  read(0, 30);
  send(0);
  cursor.ack(0, {30}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->token == token(9));
  CHECK(act->floor == offset{20});
}

// -- section 3 ----------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "the first act is a full one, guarded by the "
                                 "row as it was seen") {
  assign(view_of(10, 10, 10));
  CHECK_FALSE(cursor.holds_floor());
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->full);
  CHECK(act->floor == offset{10});
  CHECK(act->token == token(1));
  CHECK(act->map_version == map_version{3});
}

TEST_CASE_METHOD(cursor_fixture, "a floor that stays below the start is "
                                 "frozen: only full acts") {
  assign(halted_lane(view_of(30, 12, 40), 1));
  REQUIRE(cursor.position() == offset{30});
  full_act(12, 2);
  CHECK_FALSE(cursor.holds_floor());
  read(0, 50);
  send(0);
  cursor.ack(0, {50}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->full);
  CHECK(act->token == token(2));
  full_act(30, 3);
  CHECK(cursor.holds_floor());
}

TEST_CASE_METHOD(cursor_fixture, "a touched act waits for its lanes and names "
                                 "what was read") {
  hold();
  CHECK_FALSE(cursor.propose());
  read(0, 20);
  read(2, 25);
  cursor.advance({30});
  send(0);
  send(2);
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {30}, now);
  CHECK_FALSE(cursor.propose());
  cursor.ack(2, {25}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK_FALSE(act->full);
  CHECK(act->to == offset{30});
  REQUIRE(act->touched.size() == 2);
  CHECK(act->touched[0].id == lane(0));
  CHECK(act->touched[0].end == offset{20});
  CHECK(act->touched[1].id == lane(2));
  CHECK(act->touched[1].end == offset{25});
  cursor.floor_answer(*act, {true, {30}, token(3), {3}, false});
  CHECK(cursor.floor() == offset{30});
  CHECK_FALSE(cursor.propose());
}

TEST_CASE_METHOD(cursor_fixture, "a floor rises under constant load, because "
                                 "its snapshot ages") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(cursor.propose());
  for (int64_t at = 30; at < 100; at += 10) {
    read(0, at);
    send(0);
    cursor.ack(0, {at - 10}, now);
  }
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{20});
  cursor.floor_answer(*act, {true, {20}, token(3), {3}, false});
  // What was read after the snapshot is still touched.
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {90}, now);
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{90});
  REQUIRE(act->touched.size() == 1);
  CHECK(act->touched[0].end == offset{90});
}

TEST_CASE_METHOD(cursor_fixture, "events of a halted lane hold the floor in "
                                 "the database, not here") {
  assign(halted_lane(view_of(10, 10, 10), 1));
  full_act(10, 2);
  read(1, 20);
  cursor.advance({30});
  auto act = cursor.propose();
  REQUIRE(act);
  REQUIRE(act->touched.size() == 1);
  CHECK(act->touched[0].id == lane(1));
  CHECK(act->touched[0].end == offset{20});
  // Refused; the lane stays in the list of the next one.
  cursor.floor_answer(*act, {false, {10}, token(2), {3}, false});
  CHECK_FALSE(cursor.needs_assign());
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->touched.size() == 1);
}

TEST_CASE_METHOD(cursor_fixture, "an act that meets another token ends the "
                                 "assignment, unless that floor can be "
                                 "followed") {
  hold();
  read(0, 20);
  send(0);
  cursor.ack(0, {20}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  SECTION("it cannot") {
    cursor.floor_answer(*act, {false, {9}, token(9), {3}, false});
    CHECK(cursor.needs_assign());
  }
  SECTION("it can") {
    cursor.floor_answer(*act, {false, {15}, token(9), {3}, false});
    CHECK_FALSE(cursor.needs_assign());
    CHECK(cursor.floor() == offset{15});
    CHECK(cursor.holds_floor());
  }
  SECTION("a rival's token at the same floor is taken over") {
    cursor.floor_answer(*act, {false, {10}, token(9), {3}, false});
    CHECK_FALSE(cursor.needs_assign());
    CHECK(cursor.holds_floor());
    auto again = cursor.propose();
    REQUIRE(again);
    CHECK(again->token == token(9));
    CHECK(again->touched.size() == 1);
  }
}

TEST_CASE_METHOD(cursor_fixture, "a first act that was refused leaves the "
                                 "floor alone") {
  assign(view_of(10, 10, 10));
  auto act = cursor.propose();
  cursor.floor_answer(*act, {false, {10}, token(9), {3}, false});
  CHECK(cursor.needs_assign());
  CHECK_FALSE(cursor.holds_floor());
}

TEST_CASE_METHOD(cursor_fixture, "after a rewind the floor waits for what is "
                                 "read again") {
  hold();
  read(0, 20);
  auto sent = send(0);
  cursor.nack(0, {15}, sent.number, now);
  auto act = cursor.propose();
  CHECK_FALSE(act);
  cursor.advance({20});
  send(0);
  cursor.ack(0, {15}, now);
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {20}, now);
  // The snapshot is of the moment after the rewind.
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{15});
  CHECK(act->touched.at(0).end == offset{20});
}

// -- rule 9c ------------------------------------------------------------------

namespace {

struct idle_fixture : cursor_fixture {
  std::vector<std::size_t> behind() {
    return cursor.idle_lanes_behind(now, [this](std::size_t i) {
      return i != without_writer;
    });
  }

  /// Lane 0 is halted at 10 and holds the floor; the others are read for.
  void freeze() {
    assign(halted_lane(view_of(10, 30, 30), 0));
    full_act(10, 2);
    REQUIRE_FALSE(cursor.holds_floor());
    read(1, 90);
    send(1);
    cursor.ack(1, {90}, now);
    CHECK(behind().empty());
  }

  std::size_t without_writer = 99;
};

using lanes = std::vector<std::size_t>;

} // namespace

TEST_CASE_METHOD(idle_fixture,
                 "once the floor has stood still for the patience "
                 "idle lanes are moved, and not again before it "
                 "has passed once more") {
  freeze();
  now += 299s;
  CHECK(behind().empty());
  now += 1s;
  CHECK(behind() == lanes{2});
  CHECK(cursor.cut(2, 0, now).range == offset_range{{30}, {90}});
  CHECK(behind().empty());
  read(1, 95);
  now += 299s;
  CHECK(behind().empty());
  now += 1s;
  // The other one has an event that was not sent: it is for the caller to see.
  CHECK(behind() == lanes{1});
}

TEST_CASE_METHOD(idle_fixture, "a floor that moves needs no idle lane moved") {
  freeze();
  now += 200s;
  full_act(12, 3);
  CHECK(behind().empty());
  now += 200s;
  CHECK(behind().empty());
  now += 100s;
  CHECK(behind() == lanes{2});
}

TEST_CASE_METHOD(idle_fixture, "lanes that have something on their way, that "
                               "are detached or have no writer are not moved") {
  freeze();
  now += 300s;
  SECTION("on its way") {
    cursor.cut(2, 1, now);
  }
  SECTION("detached") {
    cursor.detach(2);
  }
  SECTION("no writer") {
    without_writer = 2;
  }
  CHECK(behind().empty());
}

TEST_CASE_METHOD(idle_fixture, "nothing is moved beyond a position that went "
                               "back") {
  freeze();
  now += 300s;
  REQUIRE(behind() == lanes{2});
  // Lane 1 is all of the traffic, so the position goes back with it.
  REQUIRE(cursor.nack(1, {30}, cursor.number_of(1), now));
  CHECK(cursor.position() == offset{30});
  CHECK(behind().empty());
}
