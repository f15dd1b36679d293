#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// How a SESSION reaches PostgreSQL and when it gives up.
struct session_config {
  /// As PQconnectdbParams wants them with expand_dbname; later ones win. May
  /// hold passwords in clear: never logged.
  std::vector<std::pair<std::string, std::string>> keywords;

  /// Seen in pg_stat_activity while no flush runs.
  std::string application_name = "millrace";

  std::chrono::milliseconds connect_timeout{10'000};

  // The next ones are set in the server; 0 switches one off.

  /// One statement. COPY counts from its start to its end.
  std::chrono::milliseconds statement_timeout{60'000};

  std::chrono::milliseconds lock_timeout{5'000};

  /// A frozen process must not hold a lane's row for ever.
  std::chrono::milliseconds idle_in_transaction_timeout{60'000};

  /// One transaction; servers before 17 do not know it.
  std::chrono::milliseconds transaction_timeout{300'000};

  /// How often the server looks whether its client is still there while it
  /// works.
  std::chrono::milliseconds connection_check_interval{10'000};

  /// Unacknowledged data on the wire.
  std::chrono::milliseconds tcp_user_timeout{30'000};

  /// A takeover or a resolve waits this long for the lane's row before it
  /// ends the transaction that holds it.
  std::chrono::milliseconds row_lock_timeout{2'000};

  /// A whole flush, seen from the client; then its connection is closed.
  std::chrono::milliseconds flush_timeout{120'000};

  /// Connections made by either can stand in for each other.
  bool operator==(const session_config&) const = default;
};

/// Names the first limit that makes no sense, or returns nothing.
std::optional<std::string> validate(const session_config& config);

} // namespace millrace
