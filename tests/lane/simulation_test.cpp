#include "tests/lane/simulation.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Sanitized builds run fewer; MILLRACE_SIMULATION_RUNS sets another number.
uint64_t runs() {
  if (const auto* x = std::getenv("MILLRACE_SIMULATION_RUNS"))
    return std::strtoull(x, nullptr, 10);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 500;
#else
  return 20'000;
#endif
}

/// First seed whose run fails, or nothing.
std::optional<uint64_t> first_caught(sabotage broken, uint64_t limit) {
  for (uint64_t seed = 1; seed <= limit; ++seed)
    if (simulation{{.seed = seed, .broken = broken}}.run())
      return seed;
  return std::nullopt;
}

} // namespace

TEST_CASE("every run ends with each event once and in order", "[simulation]") {
  std::size_t rejoined = 0;
  for (uint64_t seed = 1; seed <= runs(); ++seed) {
    simulation world{{.seed = seed}};
    auto failure = world.run();
    INFO("repeat with seed " << seed);
    REQUIRE(failure.value_or("") == "");
    rejoined += world.rejoined();
  }
  // Else nothing is said about lanes that were left behind.
  CHECK(rejoined > runs());
}

TEST_CASE("a run repeats with its seed", "[simulation]") {
  simulation_config config{.seed = 42, .broken = sabotage::no_claim};
  CHECK(simulation{config}.run() == simulation{config}.run());
}

TEST_CASE("a claim that compares nothing is caught", "[simulation]") {
  CHECK(first_caught(sabotage::no_claim, 200));
}

TEST_CASE("a claim that compares no offsets is caught", "[simulation]") {
  CHECK(first_caught(sabotage::epoch_only, 500));
}

TEST_CASE("a floor that is raised unguarded is caught", "[simulation]") {
  CHECK(first_caught(sabotage::floor_unguarded, 500));
}

TEST_CASE("a consumer that never looks again is caught", "[simulation]") {
  CHECK(first_caught(sabotage::no_resync, 200));
}

TEST_CASE("a catch-up that leaves events out is caught", "[simulation]") {
  CHECK(first_caught(sabotage::blind_catch_up, 200));
}
