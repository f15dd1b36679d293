#include "actors/lane/hold_watch.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

using clock_time = hold_watch::clock::time_point;
using lanes = std::vector<std::size_t>;

/// Three attached lanes with equal traffic, looked at every 250 ms.
struct hold_fixture {
  hold_watch watch{3, 2s};
  clock_time now{1h};
  std::vector<lane_load> loads{3};

  hold_fixture() {
    for (auto& x : loads)
      x = {.attached = true,
           .blocked = false,
           .idle = false,
           .waits_since = now,
           .acked_at = now,
           .recent = 100};
    CHECK(watch.judge(loads, now).empty());
  }

  void ack(std::size_t i) {
    loads[i].waits_since = loads[i].acked_at = now;
  }

  /// What is detached within the time, `each` before every look.
  template <class Each>
  lanes over(std::chrono::milliseconds time, Each each) {
    for (auto end = now + time; now < end;) {
      now += 250ms;
      each();
      if (auto x = watch.judge(loads, now); !x.empty())
        return x;
    }
    return {};
  }
};

} // namespace

TEST_CASE_METHOD(hold_fixture, "a lane without an ack is detached when another "
                               "one is acknowledged all the while") {
  loads[0].blocked = true;
  auto live = [&] { ack(1); };
  CHECK(over(1'750ms, live).empty());
  CHECK(over(250ms, live) == lanes{0});
}

TEST_CASE_METHOD(hold_fixture, "the others may have finished what they had") {
  now += 10ms;
  ack(1);
  loads[1].idle = true;
  loads[0].blocked = true;
  loads[2].blocked = true;
  // Little traffic, so nobody starves.
  loads[1].recent = 1;
  CHECK(over(4s, [] {}) == lanes{0, 2});
}

TEST_CASE_METHOD(hold_fixture, "nobody is detached while nobody is "
                               "acknowledged") {
  loads[0].blocked = true;
  now += 50ms;
  ack(1);
  CHECK(over(1h, [] {}).empty());
}

TEST_CASE_METHOD(hold_fixture, "nobody is detached where all are blocked") {
  for (auto& x : loads)
    x.blocked = true;
  CHECK(over(1min, [&] { ack(1); }).empty());
}

TEST_CASE_METHOD(hold_fixture, "a lane alone is never detached") {
  loads[1].attached = loads[2].attached = false;
  loads[0].blocked = true;
  CHECK(over(1min, [] {}).empty());
  // Nor do lanes count that have had no traffic.
  loads[1].attached = true;
  loads[1].idle = true;
  loads[1].recent = 0;
  CHECK(over(1min, [&] { ack(1); }).empty());
}

TEST_CASE_METHOD(hold_fixture, "a backlog detaches nobody: all are slow, and "
                               "blocked in turn") {
  std::size_t turn = 0;
  CHECK(over(5min, [&] {
          for (auto& x : loads)
            x.blocked = false;
          loads[turn % 3].blocked = true;
          ack((turn + 1) % 3);
          ++turn;
        }).empty());
}

TEST_CASE_METHOD(hold_fixture, "a slow lane that lets the others starve is "
                               "detached, though it is acknowledged") {
  loads[0].blocked = true;
  loads[1].idle = loads[2].idle = true;
  auto slow = [&] { ack(0); };
  CHECK(over(1'750ms, slow).empty());
  CHECK(over(250ms, slow) == lanes{0});
}

TEST_CASE_METHOD(hold_fixture, "holding adds up over blocks, and leaks away") {
  loads[1].idle = loads[2].idle = true;
  int looks = 0;
  SECTION("a third of the time is too much") {
    CHECK(over(1min,
               [&] {
                 ack(0);
                 loads[0].blocked = looks++ % 3 == 0;
               })
          == lanes{0});
  }
  SECTION("a sixth is not") {
    CHECK(over(5min, [&] {
            ack(0);
            loads[0].blocked = looks++ % 6 == 0;
          }).empty());
  }
}

TEST_CASE_METHOD(hold_fixture, "a lane with most of the traffic may let others "
                               "starve") {
  loads[0].recent = 400;
  loads[0].blocked = true;
  loads[1].idle = loads[2].idle = true;
  CHECK(over(1min, [&] { ack(0); }).empty());
}

TEST_CASE_METHOD(hold_fixture, "a pause of our own counts for nobody") {
  loads[0].blocked = true;
  now += 10s;
  ack(1);
  CHECK(watch.judge(loads, now).empty());
}
