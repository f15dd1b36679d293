#include "tests/lane/simulation.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <format>
#include <iostream>
#include <string>

using namespace millrace;
using namespace millrace::test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Slow here: the rare ones are looked for in a release build.
constexpr uint64_t limit = 200;
constexpr bool insists = false;
#else
constexpr uint64_t limit = 20'000;
constexpr bool insists = true;
#endif

/// What is harmless runs as often as this.
constexpr uint64_t harmless_runs = std::min<uint64_t>(limit, 3'000);

struct catch_result {
  uint64_t seed = 0;
  std::string verdict;
};

catch_result first_catch(const variant& x) {
  for (uint64_t seed = 1; seed <= (x.backed_by.empty() ? limit : harmless_runs);
       ++seed) {
    choices draws{seed};
    if (auto failure = simulation{{.broken = x}, draws}.run())
      return {seed, *failure};
  }
  return {};
}

} // namespace

TEST_CASE("each broken rule is caught, but for those that another one backs",
          "[mutations]") {
  std::string table = std::format("{:20} {:>8}  {}\n", "broken", "caught at",
                                  "verdict");
  for (const auto& x : variants()) {
    auto found = first_catch(x);
    table += std::format("{:20} {:>8}  {}\n", x.name,
                         found.seed > 0 ? std::to_string(found.seed) : "never",
                         found.seed > 0
                           ? found.verdict
                           : "harmless: " + std::string{x.backed_by});
    CAPTURE(x.name, found.seed, found.verdict);
    if (!x.backed_by.empty())
      CHECK(found.seed == 0);
    else if (insists)
      CHECK(found.seed > 0);
  }
  std::cout << table;
}
