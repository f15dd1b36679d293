#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace millrace {

/// How soon to look again at what others move: soon while it moves, and after
/// each look that finds it where it was after twice the time. Pure.
class look_pace {
public:
  /// `first` after a move; `last` at most, not below `first`.
  look_pace(std::chrono::milliseconds first, std::chrono::milliseconds last)
    : first_{first},
      last_{std::max(first, last)},
      next_{first} {
  }

  /// What a look found.
  void saw(int64_t x) {
    if (std::exchange(seen_, x) == x)
      next_ = std::min(2 * next_, last_);
    else
      next_ = first_;
  }

  /// As if it had moved.
  void reset() {
    seen_.reset();
    next_ = first_;
  }

  std::chrono::milliseconds interval() const noexcept {
    return next_;
  }

private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds last_;
  std::chrono::milliseconds next_;
  std::optional<int64_t> seen_;
};

} // namespace millrace
