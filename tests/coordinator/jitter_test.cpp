#include "actors/coordinator/jitter.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>

using namespace millrace;
using namespace std::chrono_literals;

TEST_CASE("a pause is between half of it and all of it, and not always the "
          "same") {
  std::set<std::chrono::milliseconds> seen;
  for (auto i = 0; i < 1000; ++i)
    seen.insert(jittered(5000ms));
  CHECK(*seen.begin() >= 2500ms);
  CHECK(*seen.rbegin() <= 5000ms);
  CHECK(seen.size() > 100);
  CHECK(jittered(0ms) == 0ms);
}
