// Rule 25 as a cursor sees it: where reading stops before the map changes.

#include "tests/lane/cursor_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

partition_view changing(partition_view x) {
  x.changing = true;
  return x;
}

} // namespace

TEST_CASE_METHOD(cursor_fixture, "a change of the map stops the reading where "
                                 "it is") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(cursor.barrier());
  CHECK_FALSE(audit(changing(view_of(10, 10, 10, 10, 2))));
  CHECK(cursor.barrier() == offset{20});
  CHECK(cursor.judge({20}) == record_verdict::beyond);
  // It stays there.
  CHECK_FALSE(audit(changing(view_of(20, 10, 10, 10, 2))));
  CHECK(cursor.barrier() == offset{20});
}

TEST_CASE_METHOD(cursor_fixture, "at the barrier the floor comes to it") {
  hold();
  read(0, 20);
  send(0);
  audit(changing(view_of(10, 10, 10, 10, 2)));
  // The last event is not durable yet.
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {20}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{20});
  cursor.floor_answer(*act, {true, {20}, token(3), {3}, false});
  CHECK(cursor.floor() == *cursor.barrier());
}

TEST_CASE_METHOD(cursor_fixture, "once the change is over the reading goes on "
                                 "from the barrier") {
  hold();
  read(0, 20);
  audit(changing(view_of(10, 10, 10, 10, 2)));
  CHECK(audit(view_of(10, 10, 10, 10, 2)));
  CHECK_FALSE(cursor.barrier());
  CHECK(cursor.position() == offset{20});
  CHECK(cursor.judge({20}) == record_verdict::expected);
  // Told once: nothing is read twice for it.
  CHECK_FALSE(audit(view_of(10, 10, 10, 10, 2)));
}

TEST_CASE_METHOD(cursor_fixture, "a lane beyond the barrier takes it along") {
  hold();
  read(0, 20);
  audit(changing(view_of(10, 10, 10, 10, 2)));
  // Another consumer of this partition had read further.
  CHECK(audit(changing(view_of(10, 30, 10, 10, 2))));
  CHECK(cursor.barrier() == offset{30});
  CHECK(cursor.judge({20}) == record_verdict::expected);
}

TEST_CASE_METHOD(cursor_fixture, "a start amid a change reads what lanes lack "
                                 "and no more") {
  assign(changing(view_of(10, 40, 15)));
  CHECK(cursor.position() == offset{10});
  CHECK(cursor.barrier() == offset{40});
  cursor.advance({40});
  CHECK(cursor.judge({40}) == record_verdict::beyond);
  // The next start knows nothing of it.
  assign(view_of(40, 40, 40));
  CHECK_FALSE(cursor.barrier());
}

TEST_CASE_METHOD(cursor_fixture, "a rewind at the barrier reads again below it "
                                 "only") {
  hold();
  read(0, 20);
  auto sent = send(0);
  audit(changing(view_of(10, 10, 10, 10, 2)));
  CHECK(cursor.nack(0, {12}, sent.number, now));
  CHECK(cursor.position() == offset{12});
  CHECK(cursor.barrier() == offset{20});
  CHECK(cursor.judge({12}) == record_verdict::expected);
  CHECK(cursor.judge({20}) == record_verdict::beyond);
}

TEST_CASE_METHOD(cursor_fixture, "who cannot bring the floor to the barrier is "
                                 "stuck there, once all lanes have come") {
  assign(view_of(10, 10, 10, 5));
  // A lane is halted below: the floor is frozen.
  full_act(5, 2);
  REQUIRE_FALSE(cursor.holds_floor());
  read(0, 20);
  send(0);
  audit(changing(view_of(10, 10, 10, 5, 2)));
  CHECK_FALSE(cursor.is_stuck_at_barrier());
  cursor.ack(0, {20}, now);
  CHECK(cursor.is_stuck_at_barrier());
  SECTION("but not while a lane is halted") {
    audit(changing(halted_lane(view_of(20, 10, 10, 5, 2), 1)));
    CHECK_FALSE(cursor.is_stuck_at_barrier());
  }
  SECTION("and not when it holds the floor") {
    full_act(10, 3);
    CHECK_FALSE(cursor.is_stuck_at_barrier());
  }
}

TEST_CASE_METHOD(cursor_fixture, "a barrier is not below what lanes were "
                                 "touched at before the position went back") {
  hold();
  read(0, 20);
  send(0);
  read(0, 40);
  REQUIRE(cursor.nack(0, {15}, cursor.number_of(0), now));
  REQUIRE(cursor.position() == offset{15});
  audit(changing(view_of(15, 10, 10, 10, 2)));
  // The floor comes to the barrier: all it waits for is read.
  REQUIRE(cursor.barrier() == offset{40});
  read(0, 40);
  send(0);
  cursor.ack(0, {40}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == *cursor.barrier());
}
