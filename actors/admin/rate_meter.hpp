#pragma once

#include <chrono>
#include <cstddef>
#include <deque>

namespace millrace {

/// The slope of a total that only grows, over a sliding window. Holds one
/// sample per call of `add` within the window, and no more than `max_samples`.
class rate_meter {
public:
  using clock = std::chrono::steady_clock;

  static constexpr std::size_t max_samples = 128;

  explicit rate_meter(clock::duration window) : window_{window} {
  }

  /// `now` must not go back. A total that shrank is a new beginning.
  void add(clock::time_point now, double total);

  /// Units per second; 0 until two samples are known.
  double per_second() const;

private:
  struct sample {
    clock::time_point at;
    double total;
  };

  clock::duration window_;
  std::deque<sample> samples_;
};

} // namespace millrace
