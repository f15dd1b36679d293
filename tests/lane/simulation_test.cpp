#include "tests/lane/simulation.hpp"
#include "tests/lane/simulation_shrink.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <string>
#include <string_view>

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

TEST_CASE("every backfill ends with each event before its end once and in "
          "order, and none behind it",
          "[simulation]") {
  simulation_counts sum;
  auto first = number_of("MILLRACE_SIMULATION_SEED", 1);
  auto many = runs() / 8;
  for (auto seed = first; seed < first + many; ++seed) {
    choices draws{seed};
    simulation world{{.backfill = true}, draws};
    if (auto failure = world.run()) {
      auto shortest = shrink({}, seed, 1'500, true);
      FAIL("seed " << seed << ": " << *failure << "\nshrunk:\n"
                   << to_string(shortest));
    }
    sum += world.counts();
  }
  CAPTURE(sum.ended, sum.failovers, sum.switched, sum.rejoined, sum.released,
          sum.beyond, sum.adopted);
  // Some ends are forgotten by a failover and come again.
  CHECK(sum.ended > many);
  CHECK(sum.failovers > many);
  CHECK(sum.switched > many / 10);
  CHECK(sum.rejoined > many / 2);
  CHECK(sum.released > many / 10);
  CHECK(sum.beyond > many);
  CHECK(sum.adopted > many / 40);
}

TEST_CASE("a backfill that does not heed its end, and one that does not hold "
          "the other pipeline, are noticed",
          "[simulation]") {
  struct broken_end {
    variant what;
    std::string_view verdict;
  };
  using m = mutation;
  using s = sabotage;
  constexpr broken_end all[] = {
    {{"end_unseen", m::end_unseen}, "BEYOND"},
    {{"end_unready", m::none, s::end_unready}, "BEYOND"},
    {{"end_unversioned", m::none, s::end_unversioned}, "BEYOND"},
    {{"end_unheld", m::none, s::end_unheld}, "ORDER"},
  };
  for (const auto& x : all) {
    std::string failure;
    for (uint64_t seed = 1; failure.empty() && seed <= 2'000; ++seed) {
      choices draws{seed};
      simulation world{{.broken = x.what, .backfill = true}, draws};
      failure = world.run().value_or("");
    }
    CAPTURE(x.what.name, failure);
    CHECK(failure.starts_with(x.verdict));
  }
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
