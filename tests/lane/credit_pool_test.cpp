#include "actors/lane/credit_pool.hpp"

#include <catch2/catch_test_macros.hpp>

#include <random>
#include <thread>
#include <utility>
#include <vector>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

constexpr credit_pool::clock::time_point start{1h};

std::shared_ptr<credit_pool> pool(credit_limits limits,
                                  std::shared_ptr<credit_pool> above = {}) {
  return std::make_shared<credit_pool>(limits, start, std::move(above));
}

} // namespace

TEST_CASE("a pool has room until its bytes are on their way") {
  auto all = pool({.bytes = 100});
  credit_share one{all};
  CHECK(all->has_room());
  one.take(99, 1);
  CHECK(all->has_room());
  // What is begun may be larger than the rest.
  one.take(50, 1);
  CHECK_FALSE(all->has_room());
  CHECK(all->used() == 149);
  one.keep(99);
  CHECK(all->has_room());
  CHECK(one.held() == 99);
  one.keep(1'000);
  CHECK(one.held() == 99);
}

TEST_CASE("a tenant's bytes count for the node, and a full node has no room "
          "for anybody") {
  auto node = pool({.bytes = 100});
  credit_share a{pool({.bytes = 80}, node)};
  credit_share b{pool({.bytes = 80}, node)};
  a.take(80, 1);
  CHECK_FALSE(a.may_take());
  b.take(10, 1);
  CHECK(b.may_take());
  b.take(10, 1);
  CHECK_FALSE(b.may_take());
  a.keep(0);
  CHECK(a.may_take());
  CHECK(b.may_take());
}

TEST_CASE("what a holder took comes back with its end") {
  auto all = pool({.bytes = 100});
  {
    credit_share one{all};
    one.take(60, 1);
    credit_share other{std::move(one)};
    CHECK(all->used() == 60);
    credit_share third{all};
    third.take(1, 1);
    third = std::move(other);
    CHECK(all->used() == 61);
  }
  CHECK(all->used() == 0);
}

TEST_CASE("who holds nothing may take one batch from a pool that is empty, but "
          "not beyond a rate") {
  auto all = pool({.bytes = 10, .rows_per_second = 5});
  credit_share one{all};
  credit_share other{all};
  one.take(100, 1);
  CHECK_FALSE(one.may_take());
  CHECK(other.may_take());
  other.take(100, 4);
  other.keep(0);
  CHECK_FALSE(other.may_take());
  all->refill(start + 1s);
  CHECK(other.may_take());
}

TEST_CASE("a rate holds in the long run, whatever the size of a batch") {
  for (auto rows : {std::size_t{1}, std::size_t{70}, std::size_t{250}}) {
    auto all = pool({.rows_per_second = 100});
    credit_share one{all};
    std::size_t taken = 0;
    for (auto now = start; now < start + 20s; now += 3ms) {
      all->refill(now);
      while (all->has_tokens()) {
        one.take(1, rows);
        taken += rows;
      }
    }
    INFO(rows);
    // A second's worth at once, and one batch of debt.
    CHECK(taken >= 2'000);
    CHECK(taken <= 2'100 + rows);
  }
}

TEST_CASE("a rate in bytes holds beside one in rows, and idle times save up no "
          "more than a second") {
  auto all = pool({.bytes_per_second = 1'000, .rows_per_second = 1'000'000});
  all->refill(start + 1h);
  credit_share one{all};
  std::size_t taken = 0;
  for (; all->has_tokens(); taken += 100)
    one.take(100, 1);
  CHECK(taken == 1'000);
  all->refill(start + 1h + 500ms);
  for (; all->has_tokens(); taken += 100)
    one.take(100, 1);
  CHECK(taken == 1'500);
}

TEST_CASE("many threads together leave nothing in a pool") {
  constexpr std::size_t batch = 64;
  constexpr std::size_t threads = 8;
  auto node = pool({.bytes = 10'000});
  std::vector<std::shared_ptr<credit_pool>> tenants{
    pool({.bytes = 4'000}, node), pool({.bytes = 9'000}, node)};
  std::vector<std::jthread> all;
  std::atomic<bool> over = false;
  for (std::size_t i = 0; i < threads; ++i)
    all.emplace_back([&, i] {
      std::mt19937 chance{static_cast<unsigned>(i)};
      credit_share mine{tenants[i % 2]};
      for (auto n = 0; n < 20'000; ++n) {
        if (tenants[i % 2]->has_room() && chance() % 3 != 0)
          mine.take(batch, 1);
        else
          mine.keep(mine.held() / batch / 2 * batch);
        // One batch too many for each thread that looked at once.
        over = over || node->used() > 10'000 + threads * batch;
      }
    });
  all.clear();
  CHECK_FALSE(over);
  CHECK(node->used() == 0);
  CHECK(tenants[0]->used() == 0);
  CHECK(tenants[1]->used() == 0);
}
