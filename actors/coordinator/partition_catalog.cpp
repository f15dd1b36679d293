#include "actors/coordinator/partition_catalog.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

/// Different periods of rows that one look finds in a default partition.
constexpr int64_t max_strays = 100;

std::unexpected<store_error> refuse(const partition_policy& policy,
                                    const std::string& why) {
  return std::unexpected{
    store_error{store_errc::refused, {}, to_string(policy) + ' ' + why}};
}

/// A key's value, or a bound as the catalog prints it, in milliseconds.
std::string as_milliseconds(partition_key_type type, const std::string& x) {
  if (type == partition_key_type::milliseconds)
    return x + "::bigint";
  return "(extract(epoch FROM " + x + "::" + to_string(type)
         + ") * 1000)::bigint";
}

/// NULL for what is unbounded.
std::string bound_column(partition_key_type type, const std::string& text) {
  return "CASE WHEN " + text
         + " IN ('MINVALUE', 'MAXVALUE', '-infinity', 'infinity') THEN NULL "
           "ELSE "
         + as_milliseconds(type, text) + " END";
}

/// A bound reads FOR VALUES FROM ('…') TO ('…'), numbers without quotes.
constexpr auto bounds_of_text
  = "(SELECT t.text, substring(t.text FROM 'FROM \\(''?([^'')]*)') AS low, "
    "substring(t.text FROM 'TO \\(''?([^'')]*)') AS high) b";

std::string partitions_query(partition_key_type type) {
  return "SELECT n.nspname, c.relname, i.inhdetachpending, b.text = 'DEFAULT', "
         + bound_column(type, "b.low") + ", " + bound_column(type, "b.high")
         + ", EXISTS (SELECT FROM millrace.partition_hold h WHERE "
           "h.partition_oid = c.oid) FROM pg_inherits i JOIN pg_class c ON "
           "c.oid = i.inhrelid JOIN "
           "pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL "
           "(SELECT pg_get_expr(c.relpartbound, c.oid) AS text) t CROSS JOIN "
           "LATERAL "
         + bounds_of_text + " WHERE i.inhparent = $1::bigint::oid";
}

std::optional<partition_time> time_of(const std::optional<std::string>& x) {
  if (!x)
    return std::nullopt;
  return partition_time{std::chrono::milliseconds{int_of(x)}};
}

/// Key and columns, or why there can be no partitions.
constexpr auto table_query
  = "SELECT c.oid::bigint, p.partstrat::text, p.partnatts, p.partattrs[0], "
    "a.attname, format_type(a.atttypid, NULL), (SELECT "
    "array_agg(x.attname::text ORDER BY x.attnum) FROM pg_attribute x WHERE "
    "x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped AND "
    "x.attgenerated = '')::text[]::text FROM pg_class c JOIN pg_namespace n ON "
    "n.oid = c.relnamespace LEFT JOIN pg_partitioned_table p ON p.partrelid = "
    "c.oid LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = "
    "p.partattrs[0] WHERE n.nspname = $1 AND c.relname = $2";

/// Those of the user that are enabled and hear of deletions (tgtype's 8).
constexpr auto triggers_query
  = "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
    "c.relname = $2 AND NOT t.tgisinternal AND t.tgenabled = 'O' AND (t.tgtype "
    "& 8) <> 0 ORDER BY t.tgname";

constexpr auto dimension_query
  = "SELECT column_name, column_type::text FROM "
    "timescaledb_information.dimensions WHERE hypertable_schema = $1 AND "
    "hypertable_name = $2 AND dimension_number = 1";

constexpr auto chunks_query
  = "SELECT chunk_schema, chunk_name, coalesce(range_start_integer, "
    "(extract(epoch FROM range_start) * 1000)::bigint), "
    "coalesce(range_end_integer, (extract(epoch FROM range_end) * "
    "1000)::bigint) FROM timescaledb_information.chunks WHERE "
    "hypertable_schema = $1 AND hypertable_name = $2";

} // namespace

store_result<void> partition_catalog::prepare() {
  return conn_.run("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'");
}

store_result<partition_time> partition_catalog::now() {
  auto found = conn_.query("SELECT (extract(epoch FROM clock_timestamp()) * "
                           "1000)::bigint");
  if (!found)
    return std::unexpected{std::move(found.error())};
  return *time_of(found->rows.at(0)[0]);
}

store_result<known_table>
partition_catalog::read(const partition_policy& policy) {
  auto found = conn_.query(table_query, {policy.schema, policy.table});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->rows.empty())
    return refuse(policy, "does not exist");
  const auto& row = found->rows[0];
  if (!row[1]) {
    auto chunks = read_hypertable(policy);
    if (!chunks)
      return std::unexpected{std::move(chunks.error())};
    if (*chunks)
      return std::move(**chunks);
  }
  if (!row[1] || row[1] != "r" || row[2] != "1" || row[3] == "0")
    return refuse(policy, "is not partitioned by range on one column");
  auto type = parse_key_type(*row[5]);
  if (!type)
    return refuse(policy, "is partitioned by a " + *row[5]
                            + ", not by a time or a bigint");
  known_table result;
  result.key = *row[4];
  result.type = *type;
  auto columns = conn_.query("SELECT unnest($1::text[])", {row[6]});
  if (!columns)
    return std::unexpected{std::move(columns.error())};
  for (const auto& x : columns->rows)
    result.columns.emplace_back(text_of(x[0]));
  auto children = conn_.query(partitions_query(*type), {row[0]});
  if (!children)
    return std::unexpected{std::move(children.error())};
  const known_partition* rest = nullptr;
  result.partitions.reserve(children->rows.size());
  for (const auto& x : children->rows) {
    result.partitions.push_back(
      {std::string{text_of(x[0])}, std::string{text_of(x[1])}, time_of(x[4]),
       time_of(x[5]), bool_of(x[3]), bool_of(x[2]), bool_of(x[6])});
    if (result.partitions.back().is_default)
      rest = &result.partitions.back();
  }
  if (!rest)
    return result;
  auto rows = strays(result, *rest);
  if (!rows)
    return std::unexpected{std::move(rows.error())};
  result.strays = std::move(*rows);
  auto triggers = conn_.query(triggers_query, {rest->schema, rest->name});
  if (!triggers)
    return std::unexpected{std::move(triggers.error())};
  for (const auto& x : triggers->rows)
    result.strays_triggers.emplace_back(text_of(x[0]));
  return result;
}

store_result<std::optional<known_table>>
partition_catalog::read_hypertable(const partition_policy& policy) {
  // The views are there with the extension alone.
  auto extension = conn_.query("SELECT n.nspname FROM pg_extension e JOIN "
                               "pg_namespace n ON n.oid = e.extnamespace WHERE "
                               "e.extname = 'timescaledb'");
  if (!extension)
    return std::unexpected{std::move(extension.error())};
  if (extension->rows.empty())
    return std::nullopt;
  auto found = conn_.query(dimension_query, {policy.schema, policy.table});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->rows.empty())
    return std::nullopt;
  auto type = parse_key_type(*found->rows[0][1]);
  if (!type)
    return refuse(policy, "has chunks by a " + *found->rows[0][1]
                            + ", not by a time or a bigint");
  known_table result;
  result.key = text_of(found->rows[0][0]);
  result.type = *type;
  result.timescaledb = text_of(extension->rows[0][0]);
  auto chunks = conn_.query(chunks_query, {policy.schema, policy.table});
  if (!chunks)
    return std::unexpected{std::move(chunks.error())};
  for (const auto& x : chunks->rows)
    result.partitions.push_back({std::string{text_of(x[0])},
                                 std::string{text_of(x[1])}, time_of(x[2]),
                                 time_of(x[3]), false, false});
  return result;
}

store_result<std::vector<partition_time>>
partition_catalog::strays(const known_table& table,
                          const known_partition& rest) {
  auto key = quote_identifier(table.key);
  auto found = conn_.query("SELECT min(x) FROM (SELECT "
                             + as_milliseconds(table.type, key) + " AS x FROM "
                             + quote_identifier(rest.schema, rest.name)
                             + " WHERE " + key + " IS NOT NULL"
                             + (table.type == partition_key_type::milliseconds
                                  ? ""
                                  : " AND isfinite(" + key + ')')
                             + ") k GROUP BY x / 3600000 ORDER BY 1 LIMIT $1",
                           {sql(max_strays)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  std::vector<partition_time> result;
  for (const auto& x : found->rows)
    result.push_back(*time_of(x[0]));
  return result;
}

store_result<std::vector<begun_removal>>
partition_catalog::removals(const partition_policy& policy) {
  auto begun = conn_.query(
    "SELECT r.schema_name, r.partition_name, r.partition_oid::bigint, "
    "i.inhrelid IS NULL, EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON "
    "n.oid = c.relnamespace WHERE c.oid = r.partition_oid AND c.relname = "
    "r.partition_name AND n.nspname = r.schema_name), r.trouble FROM "
    "millrace.partition_removal r LEFT JOIN pg_inherits i ON i.inhrelid = "
    "r.partition_oid WHERE r.table_name = $1 AND (i.inhrelid IS NULL OR "
    "i.inhdetachpending) ORDER BY r.noted",
    {to_string(policy)});
  if (!begun)
    return std::unexpected{std::move(begun.error())};
  std::vector<begun_removal> result;
  for (const auto& x : begun->rows)
    result.push_back({{std::string{text_of(x[0])}, std::string{text_of(x[1])}},
                      int_of(x[2]),
                      bool_of(x[3]),
                      bool_of(x[4]),
                      x[5].value_or("")});
  return result;
}

store_result<partition_bounds>
partition_catalog::bounds(partition_key_type type, const std::string& text) {
  auto found = conn_.query("SELECT " + bound_column(type, "b.low") + ", "
                             + bound_column(type, "b.high")
                             + " FROM (SELECT $1::text AS text) t CROSS JOIN "
                               "LATERAL "
                             + bounds_of_text,
                           {text});
  if (!found)
    return std::unexpected{std::move(found.error())};
  const auto& row = found->rows.at(0);
  return partition_bounds{time_of(row[0]), time_of(row[1])};
}

store_result<std::vector<partition_size>>
partition_catalog::sizes(const partition_policy& policy) {
  auto found = conn_.query(
    // One that is partitioned itself has its rows in its parts.
    "SELECT n.nspname, c.relname, CASE WHEN c.relkind = 'p' THEN (SELECT "
    "sum(l.reltuples)::bigint FROM pg_partition_tree(c.oid) t JOIN pg_class l "
    "ON l.oid = t.relid WHERE t.isleaf HAVING min(l.reltuples) >= 0) WHEN "
    "c.reltuples >= 0 THEN c.reltuples::bigint END, CASE WHEN c.relkind = 'p' "
    "THEN (SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint "
    "FROM pg_partition_tree(c.oid) t) ELSE "
    "coalesce(pg_total_relation_size(c.oid), 0) END FROM "
    "pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n "
    "ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = i.inhparent JOIN "
    "pg_namespace pn ON pn.oid = p.relnamespace WHERE pn.nspname = $1 AND "
    "p.relname = $2",
    {policy.schema, policy.table});
  if (!found)
    return std::unexpected{std::move(found.error())};
  std::vector<partition_size> result;
  for (const auto& x : found->rows)
    result.push_back({std::string{text_of(x[0])}, std::string{text_of(x[1])},
                      x[2] ? std::optional{int_of(x[2])} : std::nullopt,
                      int_of(x[3])});
  return result;
}

} // namespace millrace
