#include "actors/lane/flush_pace.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// Smaller flushes cost as much as these.
constexpr std::size_t least = std::size_t{64} << 10;

/// When so many in a row are slow, it is not for what they have.
constexpr int most_slow = 8;

} // namespace

flush_pace::flush_pace(std::size_t most, std::chrono::microseconds time)
  : most_{most},
    time_{time},
    bytes_{most} {
}

void flush_pace::committed(std::size_t flown,
                           std::chrono::microseconds took) noexcept {
  if (took <= time_)
    slow_ = 0;
  else
    ++slow_;
  if (took > time_ && slow_ <= most_slow) {
    auto share = static_cast<double>(time_.count())
                 / static_cast<double>(took.count());
    bytes_ = std::min(bytes_, at_least(static_cast<std::size_t>(
                                static_cast<double>(flown) * share)));
  } else if (2 * took < time_ || slow_ > most_slow) {
    bytes_ = std::min(most_, bytes_ * 2);
  }
}

void flush_pace::timed_out(std::size_t flown) noexcept {
  bytes_ = std::max<std::size_t>(1, std::min(bytes_, flown) / 2);
}

void flush_pace::lacked_parents(std::size_t flown) noexcept {
  bytes_ = std::min(bytes_, at_least(flown / 4));
}

std::size_t flush_pace::at_least(std::size_t bytes) const noexcept {
  return std::min(most_, std::max(bytes, least));
}

} // namespace millrace
