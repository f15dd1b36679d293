#include "nodes/session_room.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace {

int64_t sessions_beside(const config& all) {
  constexpr int64_t tables = 1;
  constexpr int64_t coordinator = 3;
  int64_t keeper = all.dead_letters.prune_interval.count() > 0 ? 1 : 0;
  return tables + keeper + (all.coordinator.stand_by ? coordinator : 0);
}

std::vector<session_shortage> shortages_of(const session_room& x) {
  std::vector<session_shortage> result;
  auto wanted = x.nodes * x.per_node;
  auto look = [&](int64_t has, const std::string& what, std::string mend) {
    if (has < wanted)
      result.push_back(
        {has < x.per_node,
         std::format("{} node(s) may open {} sessions each, and {} leaves {}",
                     x.nodes, x.per_node, what, has),
         std::move(mend) + ", or lower max_sessions in the configuration"});
  };
  look(x.max_connections - x.reserved,
       std::format("max_connections = {} less {} reserved", x.max_connections,
                   x.reserved),
       std::format("ALTER SYSTEM SET max_connections = {} and restart "
                   "PostgreSQL",
                   wanted + x.reserved));
  if (x.role_limit)
    look(*x.role_limit, "the role's connection limit",
         std::format("ALTER ROLE {} CONNECTION LIMIT {}",
                     quote_identifier(x.role), wanted));
  if (x.database_limit)
    look(*x.database_limit, "the database's connection limit",
         std::format("ALTER DATABASE {} CONNECTION LIMIT {}",
                     quote_identifier(x.database), wanted));
  return result;
}

store_result<session_room>
read_session_room(connection& conn, const config& all,
                  const postgresql_config& database) {
  // reserved_connections came with PostgreSQL 16.
  auto found = conn.query(
    "SELECT current_setting('max_connections'), "
    "current_setting('superuser_reserved_connections')::int + "
    "coalesce(current_setting('reserved_connections', true)::int, 0), "
    "nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1), r.rolname, "
    "d.datname FROM pg_roles r, pg_database d WHERE r.rolname = current_user "
    "AND d.datname = current_database()");
  if (!found)
    return std::unexpected{std::move(found.error())};
  const auto& row = found->rows.at(0);
  session_room result;
  result.max_connections = int_of(row[0]);
  result.reserved = int_of(row[1]);
  if (row[2])
    result.role_limit = int_of(row[2]);
  if (row[3])
    result.database_limit = int_of(row[3]);
  result.nodes = std::max<int64_t>(1, std::ssize(all.cluster.nodes));
  result.per_node = database.max_sessions + sessions_beside(all);
  result.role = text_of(row[4]);
  result.database = text_of(row[5]);
  return result;
}

} // namespace millrace
