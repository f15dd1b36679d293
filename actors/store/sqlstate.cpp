#include "actors/store/sqlstate.hpp"

namespace millrace {

failure_action classify(std::string_view sqlstate,
                        std::string_view constraint) noexcept {
  auto any = [sqlstate](auto... xs) { return ((sqlstate == xs) || ...); };
  auto cls = sqlstate.substr(0, 2);
  // Our own encoding: the bytes are wrong, not the data. A field that is too
  // long is 22P03, one that is too short a protocol violation.
  if (any("22P03", "22P04", "08P01"))
    return failure_action::halt;
  // Without a constraint name no partition takes the row.
  if (sqlstate == "23514")
    return constraint.empty() ? failure_action::wait_partition
                              : failure_action::bisect;
  if (cls == "22" || cls == "54"
      || any("23502", "23503", "23505", "23P01", "21000", "P0001"))
    return failure_action::bisect;
  if (any("40001", "40P01", "55P03"))
    return failure_action::retry;
  if (sqlstate == "57014")
    return failure_action::halve;
  if (sqlstate.empty() || cls == "08" || cls == "28" || cls == "25"
      || sqlstate.starts_with("57P0") || sqlstate == "3D000")
    return failure_action::reconnect;
  if (cls == "53" || sqlstate == "58030")
    return failure_action::back_off;
  if (cls == "XX")
    return failure_action::halt;
  return failure_action::park;
}

store_errc to_errc(std::string_view sqlstate) noexcept {
  switch (classify(sqlstate, {})) {
    case failure_action::retry:
    case failure_action::halve:
      return store_errc::retry;
    case failure_action::reconnect:
      return store_errc::unavailable;
    case failure_action::back_off:
      return store_errc::back_off;
    case failure_action::park: {
      auto any = [sqlstate](auto... xs) { return ((sqlstate == xs) || ...); };
      return any("42P01", "3F000", "42501", "42703", "42804", "42P10", "42883")
               ? store_errc::misconfigured
               : store_errc::failed;
    }
    default:
      return store_errc::failed;
  }
}

} // namespace millrace
