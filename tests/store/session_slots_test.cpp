// Who may have a session: turns, and slots that come back.

#include "actors/store/session_slots.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace millrace;

namespace {

/// Notes its end, and how many slots were held then.
struct connection_stub final : open_session {
  connection_stub(const std::shared_ptr<session_slots>& of,
                  std::vector<uint32_t>& ends)
    : all{of},
      held_at_end{ends} {
  }

  ~connection_stub() override {
    held_at_end.push_back(all->held());
  }

  std::shared_ptr<session_slots> all;
  std::vector<uint32_t>& held_at_end;
};

struct fixture {
  std::shared_ptr<session_slots> all;

  /// One for each connection that was closed.
  std::vector<uint32_t> ends;

  /// A pool that notes that it was nudged.
  struct pool {
    explicit pool(const std::shared_ptr<session_slots>& of,
                  const session_config* kind = nullptr)
      : seat{of, [this] { ++nudges; }, kind} {
    }

    bool take() {
      auto got = seat.take();
      if (got)
        slots.push_back(std::move(*got));
      return got.has_value();
    }

    void give_back() {
      slots.pop_back();
    }

    /// As a session with a connection that looked whether others want it.
    bool pass_on(std::unique_ptr<open_session> connection) {
      auto passed = slots.back().pass_on(connection);
      connection.reset();
      slots.pop_back();
      return passed;
    }

    int nudges = 0;
    std::deque<session_slot> slots;
    session_slots::seat seat;
  };

  std::deque<pool> pools;

  fixture() {
    begin(2, 4);
  }

  void begin(uint32_t limit, int number) {
    pools.clear();
    all = std::make_shared<session_slots>(limit);
    for (int i = 0; i < number; ++i)
      pools.emplace_back(all);
  }

  /// Whose connections can stand in for each other, but for the last one's.
  void begin_alike(uint32_t limit, int number) {
    begin(limit, 0);
    for (int i = 0; i < number; ++i)
      pools.emplace_back(all, i + 1 < number ? &usual : &other);
  }

  std::unique_ptr<open_session> connect() {
    return std::make_unique<connection_stub>(all, ends);
  }

  session_config usual;
  session_config other{.keywords = {{"options", "-c role=other"}}};
};

} // namespace

TEST_CASE_METHOD(fixture, "without a limit everybody gets a session at once") {
  begin(0, 1);
  for (int i = 0; i < 100; ++i)
    CHECK(pools[0].take());
  CHECK(all->held() == 100);
}

TEST_CASE_METHOD(fixture, "slots that come back go to the pools that wait, in "
                          "their order, and one at a time") {
  CHECK(pools[0].take());
  CHECK(pools[1].take());
  CHECK_FALSE(pools[2].take());
  CHECK_FALSE(pools[2].take());
  CHECK_FALSE(pools[3].take());
  CHECK(all->waiting() == 2);
  pools[0].give_back();
  CHECK(pools[2].nudges == 1);
  CHECK(pools[3].nudges == 0);
  // It is kept for the one that was told.
  CHECK(all->held() == 2);
  CHECK_FALSE(pools[3].take());
  CHECK(pools[2].take());
  pools[1].give_back();
  CHECK(pools[3].take());
  CHECK(all->waiting() == 0);
  CHECK(all->held() == 2);
}

TEST_CASE_METHOD(fixture, "a pool without a session comes before those that "
                          "have some") {
  CHECK(pools[0].take());
  CHECK(pools[1].take());
  CHECK_FALSE(pools[0].take());
  CHECK_FALSE(pools[2].take());
  pools[1].give_back();
  CHECK(pools[2].take());
  CHECK_FALSE(pools[0].take());
}

TEST_CASE_METHOD(fixture, "who does not need a slot any more passes on what "
                          "was kept") {
  CHECK(pools[0].take());
  CHECK(pools[1].take());
  CHECK_FALSE(pools[2].take());
  CHECK_FALSE(pools[3].take());
  pools[0].give_back();
  pools[2].seat.stand_back();
  CHECK(pools[3].nudges == 1);
  CHECK(pools[3].take());
}

TEST_CASE_METHOD(fixture, "a pool that ends leaves the line; its sessions keep "
                          "their slots until they end") {
  auto last = std::make_unique<pool>(all);
  CHECK(last->take());
  CHECK(pools[0].take());
  CHECK_FALSE(last->take());
  auto running = std::move(last->slots);
  last.reset();
  CHECK(all->waiting() == 0);
  CHECK(all->held() == 2);
  CHECK_FALSE(pools[1].take());
  running.clear();
  CHECK(pools[1].take());
}

TEST_CASE_METHOD(fixture,
                 "pools with sessions to spare are nudged when another "
                 "one has to wait, and no more give one up than wait") {
  CHECK(pools[0].take());
  CHECK(pools[1].take());
  pools[0].seat.spare(1);
  pools[1].seat.spare(1);
  CHECK_FALSE(pools[0].seat.yield(true));
  CHECK_FALSE(pools[2].take());
  CHECK(pools[0].nudges == 1);
  CHECK(pools[1].nudges == 1);
  CHECK(pools[0].seat.yield(true));
  CHECK_FALSE(pools[1].seat.yield(true));
  pools[0].give_back();
  CHECK(pools[2].take());
  CHECK_FALSE(pools[1].seat.yield(true));
}

TEST_CASE_METHOD(fixture, "a busy session makes way for a pool with fewer, not "
                          "for one with as many") {
  CHECK(pools[0].take());
  CHECK(pools[1].take());
  CHECK_FALSE(pools[1].take());
  CHECK_FALSE(pools[0].seat.yield(false));
  CHECK_FALSE(pools[2].take());
  CHECK(pools[0].seat.yield(false));
}

TEST_CASE_METHOD(fixture, "a connection goes along to the pool that waits "
                          "longest, with its slot") {
  begin_alike(1, 4);
  CHECK(pools[0].take());
  CHECK_FALSE(pools[1].take());
  CHECK_FALSE(pools[2].take());
  CHECK(pools[0].pass_on(connect()));
  CHECK(pools[1].nudges == 1);
  CHECK(pools[2].nudges == 0);
  CHECK(all->held() == 1);
  CHECK(pools[1].take());
  auto got = pools[1].slots.back().take_connection();
  CHECK(got);
  CHECK_FALSE(pools[1].slots.back().take_connection());
  CHECK(ends.empty());
  CHECK(pools[1].pass_on(std::move(got)));
  CHECK(pools[2].take());
  CHECK(all->held() == 1);
}

TEST_CASE_METHOD(fixture, "a connection that nobody waits for, or only a pool "
                          "of another kind, is closed before its slot is "
                          "given back") {
  begin_alike(1, 3);
  CHECK(pools[0].take());
  CHECK_FALSE(pools[0].pass_on(connect()));
  CHECK(ends == std::vector<uint32_t>{1});
  CHECK(all->held() == 0);
  CHECK(pools[0].take());
  CHECK_FALSE(pools[2].take());
  CHECK_FALSE(pools[1].take());
  CHECK_FALSE(pools[0].pass_on(connect()));
  CHECK(ends == std::vector<uint32_t>{1, 1});
  CHECK(pools[2].take());
  CHECK_FALSE(pools[2].slots.back().take_connection());
}

TEST_CASE_METHOD(fixture, "a pool that does not want the connection kept for "
                          "it leaves it to the next of its kind, or closes "
                          "it") {
  begin_alike(1, 4);
  CHECK(pools[0].take());
  CHECK_FALSE(pools[1].take());
  CHECK_FALSE(pools[2].take());
  CHECK_FALSE(pools[3].take());
  CHECK(pools[0].pass_on(connect()));
  pools[1].seat.stand_back();
  CHECK(pools[2].nudges == 1);
  CHECK(ends.empty());
  pools[2].seat.stand_back();
  CHECK(ends == std::vector<uint32_t>{1});
  CHECK(pools[3].take());
  CHECK_FALSE(pools[3].slots.back().take_connection());
  CHECK(all->held() == 1);
}

TEST_CASE_METHOD(fixture, "a connection that came along and is not taken is "
                          "closed before its slot is given back") {
  begin_alike(1, 3);
  CHECK(pools[0].take());
  CHECK_FALSE(pools[1].take());
  CHECK(pools[0].pass_on(connect()));
  CHECK(pools[1].take());
  pools[1].give_back();
  CHECK(ends == std::vector<uint32_t>{1});
  CHECK(all->held() == 0);
}

TEST_CASE_METHOD(fixture, "a pool that ends with a connection kept for it "
                          "closes it or leaves it to the next one") {
  begin_alike(1, 3);
  auto last = std::make_unique<pool>(all, &usual);
  CHECK(pools[0].take());
  CHECK_FALSE(last->take());
  CHECK_FALSE(pools[1].take());
  CHECK(pools[0].pass_on(connect()));
  last.reset();
  CHECK(ends.empty());
  CHECK(pools[1].take());
  last = std::make_unique<pool>(all, &usual);
  CHECK_FALSE(last->take());
  CHECK(pools[1].pass_on(pools[1].slots.back().take_connection()));
  last.reset();
  CHECK(ends == std::vector<uint32_t>{1});
  CHECK(all->held() == 0);
}

TEST_CASE("with any limit all pools get their turns, whatever the order of "
          "what happens") {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 chance{seed};
    auto limit = 1 + seed % 3;
    fixture world;
    world.begin_alike(limit, 10);
    std::vector<int> left(10, 5);
    auto open = [&] {
      return std::ranges::any_of(left, [](int x) { return x > 0; });
    };
    int steps = 0;
    for (; open() && steps < 20'000; ++steps) {
      auto i = chance() % 10;
      auto& pool = world.pools[i];
      if (!pool.slots.empty()) {
        left[i] -= left[i] > 0 ? 1 : 0;
        // An idle pool says so, and gives up what others wait for.
        pool.seat.spare(left[i] == 0 ? 1 : 0);
        if (pool.seat.yield(left[i] == 0))
          pool.pass_on(world.connect());
      } else if (left[i] > 0) {
        pool.take();
      } else {
        pool.seat.stand_back();
      }
      REQUIRE(world.all->held() <= limit);
    }
    INFO("seed " << seed);
    REQUIRE(steps < 20'000);
  }
}

TEST_CASE("slots are taken and given back by many threads") {
  auto all = std::make_shared<session_slots>(3);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([all] {
      session_slots::seat mine{all, [] {}};
      for (int round = 0; round < 2'000; ++round) {
        auto got = mine.take();
        if (!got)
          mine.stand_back();
      }
    });
  threads.clear();
  CHECK(all->held() == 0);
  CHECK(all->waiting() == 0);
}
