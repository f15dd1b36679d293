// Flushes of several pools take turns: a server gets fewer and larger ones.

#include "tests/store/pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <optional>

using namespace millrace;

namespace {

struct fixture : test::pool_fixture {
  /// Another pool with both turns.
  session_slots::seat other{flushes, [] {}};
  std::optional<session_slot> first = other.take();
  std::optional<session_slot> second = other.take();

  fixture() {
    notice(0, kind::up);
  }

  ~fixture() {
    first.reset();
    second.reset();
    drain();
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a flush waits for its turn, and what is none goes "
                          "on") {
  auto pending = ask_flush(0);
  CHECK(log->flushes.empty());
  auto load = ask();
  CHECK(log->loads.size() == 1);
  first.reset();
  drain();
  // The only session is busy, so the turn went on to whoever wants it.
  CHECK(log->flushes.empty());
  CHECK(flushes->has_turn());
  notice(0, kind::idle);
  CHECK(log->flushes.size() == 1);
  CHECK_FALSE(flushes->has_turn());
}

TEST_CASE_METHOD(fixture, "a flush that is over gives its turn to the pool "
                          "that waits for it") {
  first.reset();
  auto pending = ask_flush(0);
  REQUIRE(log->flushes.size() == 1);
  int nudges = 0;
  session_slots::seat third{flushes, [&nudges] { ++nudges; }};
  CHECK_FALSE(third.take());
  auto next = ask_flush(1);
  notice(0, kind::idle);
  CHECK(nudges == 1);
  CHECK(log->flushes.size() == 1);
  {
    auto turn = third.take();
    CHECK(turn);
  }
  drain();
  CHECK(log->flushes.size() == 2);
}

TEST_CASE_METHOD(fixture, "a lost connection gives its flush's turn back") {
  first.reset();
  auto pending = ask_flush(0);
  REQUIRE(log->flushes.size() == 1);
  CHECK_FALSE(flushes->has_turn());
  notice(0, kind::down);
  CHECK(flushes->has_turn());
}

TEST_CASE_METHOD(fixture, "a flush that takes long does not hold others up") {
  first.reset();
  auto pending = ask_flush(0);
  advance(std::chrono::milliseconds{900});
  CHECK_FALSE(flushes->has_turn());
  advance(std::chrono::milliseconds{200});
  CHECK(flushes->has_turn());
  // It has none to give back.
  notice(0, kind::idle);
  CHECK(flushes->held() == 1);
}

TEST_CASE_METHOD(fixture, "a pool whose flush has passed its turn on gets "
                          "another session for what waits") {
  first.reset();
  auto stuck = ask_flush(0);
  auto next = ask_flush(1);
  CHECK(status().sessions == 1);
  // Somebody else takes each turn as it comes.
  session_slots::seat third{flushes, [] {}};
  CHECK_FALSE(third.take());
  advance(std::chrono::milliseconds{1100});
  CHECK(status().sessions == 2);
}

TEST_CASE_METHOD(fixture, "no session is opened for flushes that would wait "
                          "for their turn") {
  auto one = ask_flush(0);
  auto two = ask_flush(1);
  CHECK(status().sessions == 1);
  first.reset();
  drain();
  CHECK(log->flushes.size() == 1);
  CHECK(status().sessions == 1);
  second.reset();
  auto three = ask_flush(0);
  CHECK(status().sessions == 2);
}

TEST_CASE_METHOD(fixture, "a session whose flush waits for its turn is not "
                          "given to another pool") {
  session_slots::seat neighbour{slots, [] {}};
  auto held = neighbour.take();
  auto pending = ask_flush(0);
  CHECK_FALSE(neighbour.take());
  drain();
  CHECK(status().sessions == 1);
  first.reset();
  drain();
  CHECK(log->flushes.size() == 1);
  notice(0, kind::idle);
  // Now it has nothing to do.
  CHECK(status().sessions == 0);
}

TEST_CASE_METHOD(fixture, "a connection that took long to make is kept for "
                          "longer") {
  // What counts is the attempt that got through.
  notice(0, kind::down);
  advance(std::chrono::minutes{10});
  notice(0, kind::down);
  advance(std::chrono::seconds{1});
  notice(0, kind::up);
  session_slots::seat busy{slots, [] {}};
  auto taken = busy.take();
  auto one = ask();
  auto two = ask();
  session_slots::seat neighbour{slots, [] {}};
  CHECK_FALSE(neighbour.take());
  advance(std::chrono::seconds{4});
  notice(0, kind::idle);
  CHECK(log->loads.size() == 2);
  auto three = ask();
  advance(std::chrono::seconds{2});
  notice(0, kind::idle);
  CHECK(log->loads.size() == 2);
  CHECK(neighbour.take());
}
