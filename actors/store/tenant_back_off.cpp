#include "actors/store/tenant_back_off.hpp"

namespace millrace {

tenant_back_off::tenant_back_off(backoff_config delays,
                                 std::chrono::milliseconds patience)
  : delays_{delays},
    patience_{patience} {
}

std::string tenant_back_off::reason() const {
  return hold_ ? hold_->reason : std::string{};
}

bool tenant_back_off::admits(time_point now) const noexcept {
  return !hold_ || (!hold_->probing && now >= hold_->try_at);
}

bool tenant_back_off::sent() noexcept {
  if (!hold_)
    return false;
  hold_->probing = true;
  return true;
}

bool tenant_back_off::saw(schema_sight what, bool probe,
                          const std::string& reason, time_point now,
                          std::mt19937_64& chance) {
  if (!hold_) {
    if (what != schema_sight::no_room)
      return false;
    // Where it comes back soon the delay goes on growing.
    begin_wait(reason, now, delays_.next(now - well_since_, chance));
    return true;
  }
  if (!probe)
    return false;
  switch (what) {
    case schema_sight::no_room:
      begin_wait(reason, now,
                 delays_.next(time_point::duration::zero(), chance));
      return false;
    case schema_sight::unknown:
      // The same lane may go on; a lane takes over before it flushes.
      hold_->probing = false;
      hold_->call_at = now + patience_;
      return false;
    case schema_sight::usable:
    case schema_sight::unusable:
      let_go(now);
      return true;
  }
  return false;
}

std::optional<tenant_back_off::time_point>
tenant_back_off::call_at() const noexcept {
  if (!hold_ || hold_->probing)
    return std::nullopt;
  return hold_->call_at;
}

void tenant_back_off::called(time_point now) {
  hold_->call_at = now + patience_;
}

void tenant_back_off::let_go(time_point now) {
  hold_.reset();
  well_since_ = now;
}

void tenant_back_off::begin_wait(const std::string& reason, time_point now,
                                 std::chrono::milliseconds delay) {
  hold_ = hold{reason, now + delay, now + delay, false};
}

} // namespace millrace
