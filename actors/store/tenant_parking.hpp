#pragma once

#include "messages/flush.hpp"
#include "messages/ids.hpp"
#include "messages/store.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace millrace {

/// What a flush says about its tenant's tables, and whether there is room for
/// its rows (rule 20). Other columns than rows were encoded for are no trouble
/// of the tables: another program mends that (rule 26).
schema_sight sight_of(const flush_result& x) noexcept;

/// Adds to the message of a flush that failed what mends it, if somebody has
/// to.
void add_mend(flush_result& x);

/// Whether a tenant's flushes may run (rule 20). Its tables are of no use to
/// all lanes when they are to one: a missing schema or grant is not found out
/// lane by lane, again and again. The lane that found it out tries again, and
/// the others go on when it gets through.
class tenant_parking {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// A lane that has not tried for `patience` may be gone: the next one that
  /// comes tries in its place.
  explicit tenant_parking(std::chrono::milliseconds patience);

  bool parked() const noexcept {
    return found_.has_value();
  }

  /// Empty when not parked.
  std::string reason() const;

  /// Whether this lane's flush may run.
  bool admits(const lane_id& lane, time_point now);

  /// What a flush of the lane came to. True when the tenant is parked now and
  /// was not before, or the other way round.
  bool saw(const lane_id& lane, schema_sight what, const std::string& reason,
           time_point now);

private:
  struct finding {
    lane_id by;
    std::string reason;
    time_point tried;
  };

  std::chrono::milliseconds patience_;
  std::optional<finding> found_;
};

} // namespace millrace
