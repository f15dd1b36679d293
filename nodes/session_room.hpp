#pragma once

#include "actors/store/connection.hpp"
#include "config/config.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// How many sessions a database has room for, and how many nodes may open.
struct session_room {
  int64_t max_connections = 0;

  /// Of these for superusers and for roles with a privilege only.
  int64_t reserved = 0;

  /// Of the role and of the database; nothing: none.
  std::optional<int64_t> role_limit;
  std::optional<int64_t> database_limit;

  int64_t nodes = 1;
  int64_t per_node = 0;

  /// Who logs in, and where.
  std::string role = {};
  std::string database = {};
};

/// A limit that is less than what nodes may open.
struct session_shortage {
  /// Not even one node can open all of its own.
  bool for_one = false;

  /// `2 node(s) may open 45 sessions each, and …`
  std::string text;

  /// What raises the limit.
  std::string mend;
};

/// What one node may open in the database beside `max_sessions`: one while it
/// reads tables at its start, the keeper's of dead letters, and three of a
/// coordinator: for the lease, and for what it does. Pure.
int64_t sessions_beside(const config& all);

/// Pure.
std::vector<session_shortage> shortages_of(const session_room& x);

/// As the server has it, for a session of the role that nodes log in with.
store_result<session_room> read_session_room(connection& conn,
                                             const config& all,
                                             const postgresql_config& database);

} // namespace millrace
