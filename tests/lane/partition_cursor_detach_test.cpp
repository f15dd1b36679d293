#include "tests/lane/detach_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

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
