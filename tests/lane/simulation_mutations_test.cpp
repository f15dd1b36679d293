#include "tests/lane/simulation.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <format>
#include <iostream>
#include <string>

using namespace millrace;
using namespace millrace::test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Slow here: the rare ones are looked for in a release build.
constexpr uint64_t limit = 50;
constexpr bool insists = false;
#else
constexpr uint64_t limit = 20'000;
constexpr bool insists = true;
#endif

/// What is harmless runs as often as this.
constexpr uint64_t harmless_runs = std::min<uint64_t>(limit, 2'000);

struct catch_result {
  uint64_t seed = 0;
  std::string verdict;
};

catch_result first_catch(const variant& x) {
  for (uint64_t seed = 1; seed <= limit; ++seed) {
    choices draws{seed};
    if (auto failure = simulation{{.broken = x}, draws}.run())
      return {seed, *failure};
  }
  return {};
}

struct many_runs {
  uint64_t failed = 0;
  std::string first;
  simulation_counts counts;
};

many_runs run_many(const variant& x, const variant& too) {
  many_runs result;
  for (uint64_t seed = 1; seed <= harmless_runs; ++seed) {
    choices draws{seed};
    simulation world{{.broken = x, .too = too}, draws};
    if (auto failure = world.run())
      if (++result.failed == 1)
        result.first = std::format("seed {}: {}", seed, *failure);
    result.counts += world.counts();
  }
  return result;
}

/// More than chance makes of the same runs.
bool is_more(uint64_t x, uint64_t than) {
  return static_cast<double>(x)
         > static_cast<double>(than)
             + 3 * std::sqrt(static_cast<double>(x + than));
}

} // namespace

TEST_CASE("each broken rule is caught, but for those that another one backs",
          "[mutations]") {
  std::string table = std::format("{:20} {:>8}  {}\n", "broken", "caught at",
                                  "verdict");
  for (const auto& x : variants()) {
    if (!x.backed_by.empty())
      continue;
    auto found = first_catch(x);
    table += std::format("{:20} {:>8}  {}\n", x.name,
                         found.seed > 0 ? std::to_string(found.seed) : "never",
                         found.verdict);
    CAPTURE(x.name);
    if (insists)
      CHECK(found.seed > 0);
  }
  std::cout << table;
}

TEST_CASE("a broken rule that is harmless is so because of another one, or "
          "costs something",
          "[mutations]") {
  auto table = std::format("{:16} in {} runs each\n", "harmless",
                           harmless_runs);
  const auto intact = run_many({}, {}).counts;
  for (const auto& x : variants()) {
    if (x.backed_by.empty())
      continue;
    CAPTURE(x.name, x.backed_by);
    auto alone = run_many(x, {});
    CAPTURE(alone.first);
    CHECK(alone.failed == 0);
    table += std::format("{:16} backed by {}\n", x.name, x.backed_by);
    if (!x.with.empty()) {
      const auto& other = find_variant(x.with);
      auto without = run_many(other, {}).failed;
      auto both = run_many(x, other).failed;
      table += std::format("{:16}   {} fails {} times, both {}\n", "", x.with,
                           without, both);
      CAPTURE(x.with, without, both);
      if (insists)
        CHECK(is_more(both, without));
    } else if (x.cost) {
      auto usual = intact.*x.cost;
      auto more = alone.counts.*x.cost;
      table += std::format("{:16}   costs {} instead of {}\n", "", more, usual);
      CAPTURE(usual, more);
      if (insists)
        CHECK(more > usual);
    }
  }
  std::cout << table;
}
