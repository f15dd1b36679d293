#include "actors/lane/waiting_alarm.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

double share(double part, double whole) noexcept {
  return whole > 0 ? part / whole : 0;
}

} // namespace

waiting_alarm::waiting_alarm(std::size_t max_events, int64_t max_bytes,
                             std::chrono::milliseconds keep) noexcept
  : max_events_{max_events},
    max_bytes_{max_bytes},
    keep_{keep} {
}

bool waiting_alarm::look(std::size_t events, int64_t bytes,
                         std::chrono::milliseconds oldest) noexcept {
  auto used = std::max(
    {share(static_cast<double>(events), static_cast<double>(max_events_)),
     share(static_cast<double>(bytes), static_cast<double>(max_bytes_)),
     share(static_cast<double>(oldest.count()),
           static_cast<double>(keep_.count()))});
  if (used < 0.5)
    told_ = false;
  return used >= 0.8 && !std::exchange(told_, true);
}

} // namespace millrace
