#include "actors/store/catalog.hpp"

#include "actors/store/sql_values.hpp"

namespace millrace {

namespace {

constexpr auto columns_query
  = "SELECT a.attname, format_type(a.atttypid, NULL), a.atttypid::bigint, "
    "a.atttypmod, NOT a.attnotnull, a.atthasdef OR a.attidentity <> '', "
    "a.attgenerated <> '' OR a.attidentity = 'a', t.typtype "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t "
    "ON t.oid = a.atttypid WHERE a.attrelid = $1::oid AND a.attnum > 0 "
    "AND NOT a.attisdropped ORDER BY a.attnum";

/// One row per column of each index that can serve ON CONFLICT.
constexpr auto keys_query
  = "SELECT i.indexrelid::bigint, a.attname FROM pg_catalog.pg_index i "
    "CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, n) "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid "
    "AND a.attnum = k.attnum WHERE i.indrelid = $1::oid AND i.indisunique "
    "AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL "
    "AND i.indpred IS NULL AND k.n <= i.indnkeyatts "
    "ORDER BY i.indisprimary DESC, i.indexrelid, k.n";

} // namespace

store_result<bool> has_relation(connection& conn, const std::string& name) {
  auto found = conn.query("SELECT to_regclass($1) IS NOT NULL", {name});
  if (!found)
    return std::unexpected{std::move(found.error())};
  return bool_of(found->rows.at(0)[0]);
}

store_result<table_schema> read_table_schema(connection& conn,
                                             const std::string& schema,
                                             const std::string& table) {
  // Not a join: thousands of schemas have a table of this name.
  auto found
    = conn.query("SELECT oid::bigint, relkind FROM pg_catalog.pg_class WHERE "
                 "relname = $2 AND relnamespace = (SELECT oid FROM "
                 "pg_catalog.pg_namespace WHERE nspname = $1)",
                 {schema, table});
  if (!found)
    return std::unexpected{found.error()};
  auto missing = [&](const char* what) {
    return std::unexpected{store_error{store_errc::misconfigured, "42P01",
                                       schema + '.' + table + what}};
  };
  if (found->rows.empty())
    return missing(": no such table; is a migration missing?");
  auto kind = text_of(found->rows[0][1]);
  if (kind != "r" && kind != "p")
    return missing(" is not a table");
  auto oid = found->rows[0][0];
  auto columns = conn.query(columns_query, {oid});
  if (!columns)
    return std::unexpected{columns.error()};
  auto keys = conn.query(keys_query, {oid});
  if (!keys)
    return std::unexpected{keys.error()};
  table_schema result;
  result.schema = schema;
  result.name = table;
  for (const auto& row : columns->rows) {
    column_schema column;
    column.name = text_of(row[0]);
    column.type = text_of(row[1]);
    column.type_oid = static_cast<uint32_t>(int_of(row[2]));
    column.typmod = int32_of(row[3]);
    column.nullable = bool_of(row[4]);
    column.has_default = bool_of(row[5]);
    column.generated = bool_of(row[6]);
    column.type_kind = text_of(row[7]).front();
    result.columns.push_back(std::move(column));
  }
  std::optional<std::string> index;
  for (const auto& row : keys->rows) {
    if (row[0] != index)
      result.unique_keys.emplace_back();
    index = row[0];
    result.unique_keys.back().emplace_back(text_of(row[1]));
  }
  return result;
}

} // namespace millrace
