#pragma once

// Makes a failing run short enough to be read.

#include "tests/lane/simulation.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::test {

/// A failing run, and its trace.
struct shrunk_run {
  /// Empty when the seed does not fail.
  std::string failure;
  script draws;
  std::vector<std::string> trace;
};

/// Runs the seed, and as long as it gets shorter and fails with the same word,
/// leaves steps out and lowers draws (delta debugging), with at most `budget`
/// runs.
shrunk_run shrink(const variant& broken, uint64_t seed,
                  std::size_t budget = 1'500, bool backfill = false);

/// The failure and its trace, a line each.
std::string to_string(const shrunk_run& x);

} // namespace millrace::test
