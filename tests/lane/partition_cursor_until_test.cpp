// Rule 25 as a cursor sees it: a backfill ends where its records are another
// pipeline's.

#include "tests/lane/cursor_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

partition_view until(int64_t end, partition_view x, bool ends = false) {
  x.until = offset{end};
  x.ends = ends;
  return x;
}

struct fixture : cursor_fixture {
  /// As `hold`, in a backfill that may read up to 30.
  void hold_backfill() {
    assign(until(30, view_of(10, 10, 10)));
    full_act(10, 2);
    REQUIRE(cursor.holds_floor());
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a backfill reads up to its end and no further") {
  hold_backfill();
  CHECK(cursor.ceiling(reading_kind::main) == offset{30});
  CHECK_FALSE(cursor.barrier());
  read(0, 30);
  CHECK(cursor.judge({30}) == record_verdict::beyond);
  CHECK(cursor.judge({31}) == record_verdict::beyond);
}

TEST_CASE_METHOD(fixture, "when the end moves on, a backfill that stood there "
                          "goes on") {
  hold_backfill();
  read(0, 30);
  CHECK(audit(until(50, view_of(10, 10, 10, 10, 2))));
  CHECK(cursor.judge({30}) == record_verdict::expected);
  // Nothing new: nothing is read twice.
  CHECK_FALSE(audit(until(50, view_of(10, 10, 10, 10, 2))));
}

TEST_CASE_METHOD(fixture, "one that had not come there yet has dropped nothing "
                          "and reads on") {
  hold_backfill();
  read(0, 20);
  CHECK_FALSE(audit(until(50, view_of(10, 10, 10, 10, 2))));
  CHECK(cursor.ceiling(reading_kind::main) == offset{50});
}

TEST_CASE_METHOD(fixture, "the floor comes to the end once all lanes have") {
  hold_backfill();
  read(0, 30);
  send(0);
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {30}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{30});
}

TEST_CASE_METHOD(fixture, "a change of its map stops a backfill before its "
                          "end") {
  hold_backfill();
  read(0, 20);
  auto changing = until(30, view_of(10, 10, 10, 10, 2));
  changing.changing = true;
  CHECK_FALSE(audit(changing));
  CHECK(cursor.ceiling(reading_kind::main) == offset{20});
  CHECK(audit(until(30, view_of(10, 10, 10, 10, 2))));
  CHECK(cursor.ceiling(reading_kind::main) == offset{30});
}

TEST_CASE_METHOD(fixture, "an end that a failover took back holds, and is not "
                          "below what was read") {
  hold_backfill();
  read(0, 25);
  CHECK_FALSE(audit(until(15, view_of(10, 10, 10, 10, 2))));
  CHECK(cursor.ceiling(reading_kind::main) == offset{25});
  CHECK(cursor.judge({25}) == record_verdict::beyond);
}

TEST_CASE_METHOD(fixture, "who cannot bring the floor to the end is stuck "
                          "there") {
  assign(until(20, view_of(10, 10, 10, 5)));
  full_act(5, 2);
  REQUIRE_FALSE(cursor.holds_floor());
  CHECK_FALSE(cursor.is_stuck_at_barrier());
  read(0, 20);
  send(0);
  CHECK_FALSE(cursor.is_stuck_at_barrier());
  cursor.ack(0, {20}, now);
  CHECK(cursor.is_stuck_at_barrier());
}

TEST_CASE("a backfill is finished when its end is known and its floor is "
          "there") {
  auto seen = until(10, view_of(10, 10, 10));
  CHECK_FALSE(seen.finished());
  seen.ends = true;
  CHECK(seen.finished());
  seen.floor = offset{9};
  CHECK_FALSE(seen.finished());
  seen.until.reset();
  CHECK_FALSE(seen.finished());
}
