#pragma once

#include "actors/store/connection.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace {

/// Who changes something by hand, and why. Goes into `millrace.admin_action`
/// in the transaction of the change; PostgreSQL adds the role and the time.
struct admin_note {
  std::string os_user;
  std::string host;

  /// For example `lanes resume`.
  std::string command;
  std::string reason;
};

/// Writes the row of a change of `object`. `before` and `after` are JSON.
store_result<void> record_action(connection& conn, const admin_note& note,
                                 const std::string& object,
                                 const std::optional<std::string>& before = {},
                                 const std::optional<std::string>& after = {});

/// The same before a change that is not one transaction. Returns its id.
store_result<int64_t> begin_action(connection& conn, const admin_note& note,
                                   const std::string& object,
                                   const std::string& before);

/// What came of it.
store_result<void> end_action(connection& conn, int64_t id,
                              const std::string& after);

} // namespace millrace
