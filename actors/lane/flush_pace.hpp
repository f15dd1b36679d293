#pragma once

#include <chrono>
#include <cstddef>

namespace millrace {

/// How many bytes of rows the next flush may have. They grow up to a limit, and
/// shrink after a flush that took too long or could not be written. Pure.
class flush_pace {
public:
  /// `most` bytes, and no more than are written in `time`.
  flush_pace(std::size_t most, std::chrono::microseconds time);

  std::size_t bytes() const noexcept {
    return bytes_;
  }

  // -- what came of a flush of so many bytes ----------------------------------

  void committed(std::size_t flown, std::chrono::microseconds took) noexcept;

  /// It was broken off because it took too long: half of it.
  void timed_out(std::size_t flown) noexcept;

  /// Parents are missing. Smaller ones find the next orphan as well.
  void lacked_parents(std::size_t flown) noexcept;

private:
  std::size_t at_least(std::size_t bytes) const noexcept;

  std::size_t most_;
  std::chrono::microseconds time_;
  std::size_t bytes_;

  /// Slow flushes in a row.
  int slow_ = 0;
};

} // namespace millrace
