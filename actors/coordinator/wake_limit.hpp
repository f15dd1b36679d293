#pragma once

#include <chrono>

namespace millrace {

/// Calls for work, of which one in a while is followed and none is forgotten.
/// Pure: the clock comes in as an argument.
class wake_limit {
public:
  using clock = std::chrono::steady_clock;

  explicit wake_limit(std::chrono::milliseconds least) : least_{least} {
  }

  void call() noexcept {
    called_ = true;
  }

  /// Nobody is there to work: calls from before are not for who comes next.
  void forget() noexcept {
    called_ = false;
  }

  /// Whether to follow the calls now; they are answered then.
  bool follow(clock::time_point now) noexcept {
    if (!called_ || now < next_)
      return false;
    called_ = false;
    next_ = now + least_;
    return true;
  }

private:
  std::chrono::milliseconds least_;
  clock::time_point next_ = clock::time_point::min();
  bool called_ = false;
};

} // namespace millrace
