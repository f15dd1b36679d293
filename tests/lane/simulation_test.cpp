#include "tests/lane/simulation.hpp"
#include "tests/lane/simulation_shrink.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Sanitized builds run fewer; MILLRACE_SIMULATION_RUNS sets another number,
/// MILLRACE_SIMULATION_SEED the first seed.
uint64_t number_of(const char* variable, uint64_t otherwise) {
  const auto* x = std::getenv(variable);
  return x ? std::strtoull(x, nullptr, 10) : otherwise;
}

uint64_t runs() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return number_of("MILLRACE_SIMULATION_RUNS", 2'000);
#else
  return number_of("MILLRACE_SIMULATION_RUNS", 20'000);
#endif
}

} // namespace

TEST_CASE("every run ends with each event once and in order", "[simulation]") {
  simulation_counts sum;
  auto first = number_of("MILLRACE_SIMULATION_SEED", 1);
  for (auto seed = first; seed < first + runs(); ++seed) {
    choices draws{seed};
    simulation world{{}, draws};
    if (auto failure = world.run()) {
      auto shortest = shrink({}, seed);
      FAIL("seed " << seed << ": " << *failure << "\nshrunk:\n"
                   << to_string(shortest));
    }
    sum += world.counts();
  }
  CAPTURE(sum.rejoined, sum.switched, sum.reshaped, sum.failovers, sum.parts,
          sum.dead_letters, sum.nacks, sum.dropped, sum.before_orphans,
          sum.put_aside, sum.released, sum.replayed);
  // Else nothing is said about what did not happen.
  CHECK(sum.rejoined > runs());
  CHECK(sum.switched > runs() / 4);
  CHECK(sum.reshaped > runs() / 4);
  CHECK(sum.failovers > runs());
  CHECK(sum.parts > runs());
  CHECK(sum.dead_letters > runs());
  CHECK(sum.nacks > runs());
  CHECK(sum.dropped > runs());
  CHECK(sum.before_orphans > runs() / 10);
  CHECK(sum.put_aside > runs());
  CHECK(sum.released > runs() / 2);
  CHECK(sum.replayed > runs() / 20);
}

TEST_CASE("a run repeats with its seed", "[simulation]") {
  auto run = [] {
    choices draws{2};
    simulation world{{.broken = find_variant("no_claim"), .tracing = true},
                     draws};
    auto failure = world.run();
    CHECK(failure);
    return world.trace();
  };
  auto once = run();
  CHECK(once == run());
}
