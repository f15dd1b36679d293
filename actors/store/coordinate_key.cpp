#include "actors/store/coordinate_key.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace {

namespace {

/// `column`, name, '' for each column of the index $3 in the schema $1 on the
/// table $2; `table`, name, schema for that table and those that it is a part
/// of.
constexpr auto index_query
  = "WITH RECURSIVE i AS (SELECT x.indrelid, x.indkey, x.indnkeyatts FROM "
    "pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid "
    "JOIN pg_catalog.pg_class t ON t.oid = x.indrelid JOIN "
    "pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = $1 "
    "AND t.relname = $2 AND c.relname = $3), up AS (SELECT indrelid AS oid "
    "FROM i UNION SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN up ON "
    "h.inhrelid = up.oid) SELECT 'column', a.attname::text, '' FROM i CROSS "
    "JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, n) JOIN "
    "pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = "
    "k.attnum WHERE k.n <= i.indnkeyatts UNION ALL SELECT 'table', "
    "c.relname::text, n.nspname::text FROM up JOIN pg_catalog.pg_class c ON "
    "c.oid = up.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

bool covers(const std::set<std::string>& index,
            const std::vector<std::string>& coordinates) {
  return std::ranges::all_of(coordinates, [&index](const std::string& x) {
    return index.contains(x);
  });
}

} // namespace

store_result<bool> broke_coordinate_key(connection& conn,
                                        const flush_result& failed,
                                        const write_plan& plan) {
  auto none = std::ranges::all_of(plan.writes, [](const planned_write& x) {
    return x.coordinates.empty();
  });
  if (none || failed.constraint.empty())
    return false;
  auto found = conn.query(index_query,
                          {failed.schema, failed.table, failed.constraint});
  if (!found)
    return std::unexpected{found.error()};
  std::set<std::string> columns;
  std::set<std::pair<std::string, std::string>> tables;
  for (const auto& row : found->rows) {
    auto name = row[1].value_or("");
    if (row[0] == "column")
      columns.insert(name);
    else
      tables.emplace(row[2].value_or(""), name);
  }
  return std::ranges::any_of(plan.writes, [&](const planned_write& x) {
    return !x.coordinates.empty() && tables.contains({x.schema, x.name})
           && covers(columns, x.coordinates);
  });
}

void judge_unique_violation(connection& conn, flush_result& result,
                            const write_plan_ptr& plan) {
  if (result.sqlstate != "23505" || result.action != failure_action::bisect
      || !plan || !conn.is_open())
    return;
  auto broken = broke_coordinate_key(conn, result, *plan);
  if (!broken) {
    // Without the answer the event must not become a dead letter.
    result.action = broken.error().code == store_errc::unavailable
                      ? failure_action::reconnect
                      : failure_action::retry;
    result.message += "; and the catalog did not answer: "
                      + broken.error().message;
  } else if (*broken) {
    result.action = failure_action::halt;
    result.message += "; this is the key of a record's coordinates: the record "
                      "is there already, so the protocol is broken or "
                      "somebody else has written it";
  }
}

} // namespace millrace
