#include "actors/coordinator/coordinator_lease.hpp"

#include <stdexcept>

namespace millrace {

using namespace std::chrono_literals;

lease_timing timing_for(std::chrono::milliseconds term) {
  lease_timing result;
  result.term = term;
  result.renew = term / 4;
  result.look = std::min<std::chrono::milliseconds>(term / 4, 500ms);
  result.retry = term / 10;
  return result;
}

std::optional<std::string> validate(const lease_timing& x) {
  if (x.retry <= 0ms || x.look <= 0ms || x.renew <= 0ms)
    return "retry, look and renew must be positive";
  if (x.renew + x.retry >= x.term)
    return "a term must outlast a renewal that failed";
  return std::nullopt;
}

std::string to_string(lease_state x) {
  switch (x) {
    case lease_state::standby:
      break;
    case lease_state::active:
      return "active";
    case lease_state::lost:
      return "lost";
  }
  return "standby";
}

coordinator_lease::coordinator_lease(lease_timing timing) : timing_{timing} {
  if (auto wrong = validate(timing_))
    throw std::invalid_argument{"lease: " + *wrong};
}

lease_step coordinator_lease::next(time_point now) {
  if (state_ == lease_state::active && now >= held_until_)
    give_up();
  if (state_ == lease_state::lost || now < next_)
    return lease_step::wait;
  if (state_ == lease_state::active)
    return lease_step::renew;
  return free_ ? lease_step::take_over : lease_step::look;
}

void coordinator_lease::on_row(std::chrono::milliseconds left, time_point now) {
  free_ = left <= 0ms;
  next_ = free_ ? now : now + std::min(timing_.look, left + 1ms);
}

void coordinator_lease::on_held(time_point asked) {
  state_ = lease_state::active;
  free_ = false;
  held_until_ = asked + timing_.term;
  next_ = asked + timing_.renew;
}

void coordinator_lease::on_refused(time_point now) {
  free_ = false;
  if (state_ == lease_state::active)
    give_up();
  next_ = now + timing_.look;
}

void coordinator_lease::on_failed(time_point now) {
  free_ = false;
  next_ = now + (state_ == lease_state::active ? timing_.retry : timing_.look);
}

void coordinator_lease::on_idle(time_point now) {
  if (state_ != lease_state::lost)
    return;
  state_ = lease_state::standby;
  free_ = false;
  next_ = now;
}

void coordinator_lease::give_up() noexcept {
  state_ = lease_state::lost;
  held_until_ = time_point::min();
  next_ = time_point::max();
}

} // namespace millrace
