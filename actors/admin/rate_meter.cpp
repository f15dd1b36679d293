#include "actors/admin/rate_meter.hpp"

namespace millrace {

void rate_meter::add(clock::time_point now, double total) {
  if (!samples_.empty() && total < samples_.back().total)
    samples_.clear();
  samples_.push_back({now, total});
  // The second oldest may be at the edge of the window: then the oldest is
  // not needed to span it.
  while (samples_.size() > max_samples
         || (samples_.size() > 2 && now - samples_[1].at >= window_))
    samples_.pop_front();
}

double rate_meter::per_second() const {
  if (samples_.size() < 2)
    return 0;
  const auto& first = samples_.front();
  const auto& last = samples_.back();
  std::chrono::duration<double> span = last.at - first.at;
  return span.count() > 0 ? (last.total - first.total) / span.count() : 0;
}

} // namespace millrace
