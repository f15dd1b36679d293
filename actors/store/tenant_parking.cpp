#include "actors/store/tenant_parking.hpp"

#include "actors/store/sqlstate.hpp"

namespace millrace {

schema_sight sight_of(const flush_result& x) noexcept {
  if (x.verdict == flush_verdict::committed)
    return schema_sight::usable;
  if (x.verdict != flush_verdict::failed)
    return schema_sight::unknown;
  switch (x.action) {
    case failure_action::park:
      return x.sqlstate == other_columns_state ? schema_sight::unknown
                                               : schema_sight::unusable;
    case failure_action::bisect:
    case failure_action::missing:
      return schema_sight::usable;
    case failure_action::back_off:
      return schema_sight::no_room;
    default:
      return schema_sight::unknown;
  }
}

void add_mend(flush_result& x) {
  if (x.verdict != flush_verdict::failed || x.action != failure_action::park)
    return;
  if (auto mend = mend_of(x.sqlstate); !mend.empty())
    x.message += "; " + std::string{mend};
}

tenant_parking::tenant_parking(std::chrono::milliseconds patience)
  : patience_{patience} {
}

std::string tenant_parking::reason() const {
  return found_ ? found_->reason : std::string{};
}

bool tenant_parking::admits(const lane_id& lane, time_point now) {
  if (!found_)
    return true;
  if (lane != found_->by && now - found_->tried < patience_)
    return false;
  found_->by = lane;
  found_->tried = now;
  return true;
}

bool tenant_parking::saw(const lane_id& lane, schema_sight what,
                         const std::string& reason, time_point now) {
  switch (what) {
    case schema_sight::unknown:
    case schema_sight::no_room:
      return false;
    case schema_sight::usable:
      // Of another lane it says nothing: it writes other tables, perhaps, or
      // was under way before.
      if (!found_ || found_->by != lane)
        return false;
      found_.reset();
      return true;
    case schema_sight::unusable:
      if (found_) {
        if (found_->by == lane)
          found_->reason = reason;
        return false;
      }
      found_ = finding{lane, reason, now};
      return true;
  }
  return false;
}

} // namespace millrace
