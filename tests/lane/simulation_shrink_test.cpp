#include "tests/lane/simulation_shrink.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

uint64_t failing_seed(const variant& broken) {
  for (uint64_t seed = 1; seed < 2'000; ++seed) {
    choices draws{seed};
    if (simulation{{.broken = broken}, draws}.run())
      return seed;
  }
  return 0;
}

} // namespace

TEST_CASE("a failing run shrinks to a short trace that still fails",
          "[simulation]") {
  for (auto name : {"no_claim", "touched_forgotten", "rejoin_late"}) {
    const auto& broken = find_variant(name);
    auto seed = failing_seed(broken);
    CAPTURE(name, seed);
    REQUIRE(seed > 0);
    auto x = shrink(broken, seed);
    INFO(to_string(x));
    CHECK(x.draws.steps.size() < 40);
    CHECK(x.trace.size() < 200);
    choices again{x.draws};
    simulation world{{.broken = broken, .steps = x.draws.steps.size()}, again};
    CHECK(world.run() == x.failure);
  }
}

TEST_CASE("what does not fail does not shrink", "[simulation]") {
  CHECK(shrink({}, 1).failure.empty());
}
