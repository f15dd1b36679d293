#pragma once

// The random draws of a simulated run. They can be written down, made shorter
// and run again: a run depends on nothing else.

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace millrace::test {

/// The draws of a run: those that make its world, then those of each step.
/// What is missing is 0, and 0 always means the least eventful choice.
struct script {
  std::vector<uint32_t> world;
  std::vector<std::vector<uint32_t>> steps;
};

/// Where a run takes its decisions from: a seed, or a script.
class choices {
public:
  explicit choices(uint64_t seed) : random_{seed}, seeded_{true} {
  }

  explicit choices(script x) : script_{std::move(x)}, current_{&script_.world} {
  }

  choices(const choices&) = delete;
  choices& operator=(const choices&) = delete;

  /// Writes a seed's draws down, see `drawn`.
  void record() {
    recording_ = true;
  }

  /// What follows belongs to this step.
  void begin_step(std::size_t number);

  /// What follows draws zeros only.
  void end() noexcept {
    quiet_ = true;
  }

  /// A number below n.
  std::size_t pick(std::size_t n);

  /// True in so many of 100 cases.
  bool chance(std::size_t percent) {
    return pick(100) >= 100 - percent;
  }

  const script& drawn() const noexcept {
    return script_;
  }

private:
  std::mt19937_64 random_;
  bool seeded_ = false;
  bool recording_ = false;
  bool quiet_ = false;
  script script_;
  std::vector<uint32_t>* current_ = nullptr;
  std::size_t next_ = 0;
};

} // namespace millrace::test
