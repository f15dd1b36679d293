#pragma once

#include "actors/store/connection.hpp"
#include "actors/store/dead_letters.hpp"

#include <atomic>
#include <cstdint>
#include <string>

namespace millrace {

/// What of a database's dead letters is left by itself.
struct retention_rules {
  /// Older ones go.
  int64_t keep_ms = 0;

  /// Of keys, headers and values; the oldest beyond go.
  int64_t max_bytes = 0;
};

/// What there is, and what of it is beyond the rules.
struct retention_survey {
  dead_letter_sum all;
  int64_t oldest_ms = 0;

  dead_letter_sum beyond;

  /// Set aside at that time or before; as PostgreSQL writes it.
  std::string until;
};

/// Whether something will be beyond the rules before long: from 80 % of the
/// bytes on, and seven days before the age, or at 80 % of it when that is
/// later.
bool comes_near(const retention_survey& x, const retention_rules& rules);

/// Removes dead letters that are beyond the rules, a thousand at a time, each
/// thousand in a transaction of its own. What goes is written into
/// `admin_action` before the first of them.
///
/// Holds a session lock of the database while it lives, so that of several
/// nodes one does it. Blocks.
class retention {
public:
  /// The connection outlives this. `node`: for `admin_action`.
  retention(connection& conn, retention_rules rules, std::string node);

  /// False when somebody else is at it.
  store_result<bool> take();

  store_result<retention_survey> survey();

  /// Removes what the survey found, unless `stop` is set meanwhile. Returns
  /// what was removed.
  store_result<int64_t> remove(const retention_survey& what,
                               const std::atomic<bool>& stop);

private:
  connection& conn_;
  retention_rules rules_;
  std::string node_;
};

} // namespace millrace
