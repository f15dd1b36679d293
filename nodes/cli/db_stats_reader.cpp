#include "nodes/cli/db_stats_reader.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

/// Tables of the schema $1 with all that is below them, whether partitions or
/// chunks. What migrations remember is none of the tenant's.
constexpr auto sizes_sql = R"(
WITH RECURSIVE tree AS (
  SELECT c.oid AS root, c.oid
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT EXISTS (
    SELECT FROM pg_inherits WHERE inhrelid = c.oid)
    AND c.relname NOT IN ('schema_migrations', 'schema_repeatables',
                          'schema_migration_steps')
  UNION ALL
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i
  ON i.inhparent = t.oid)
SELECT r.relname, coalesce(sum(pg_table_size(c.oid)), 0),
       coalesce(sum(pg_indexes_size(c.oid)), 0),
       coalesce(sum(pg_total_relation_size(c.oid)), 0),
       count(*) FILTER (WHERE c.oid <> r.oid AND c.relkind = 'r' AND
         coalesce(pg_get_expr(c.relpartbound, c.oid), '') <> 'DEFAULT'),
       coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r'),
                0)::bigint,
       coalesce(bool_or(c.reltuples < 0 AND pg_relation_size(c.oid) > 0)
         FILTER (WHERE c.relkind = 'r'), false)
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_class r ON r.oid = t.root
GROUP BY r.oid, r.relname ORDER BY r.relname COLLATE "C")";

/// The key that a table is partitioned by, or that it is a hypertable by.
constexpr auto key_sql = R"(
SELECT a.attname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_partitioned_table p ON p.partrelid = c.oid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
WHERE n.nspname = $1 AND c.relname = $2 AND p.partnatts = 1)";

constexpr auto type_sql = R"(
SELECT format_type(a.atttypid, NULL) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3
  AND NOT a.attisdropped)";

/// What a foreign key of one column names: schema, table, column.
constexpr auto target_sql = R"(
SELECT fn.nspname, f.relname, fa.attname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $3
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
  AND k.conkey = ARRAY[a.attnum]
JOIN pg_class f ON f.oid = k.confrelid
JOIN pg_namespace fn ON fn.oid = f.relnamespace
JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = k.confkey[1]
WHERE n.nspname = $1 AND c.relname = $2 LIMIT 1)";

std::optional<int64_t> maybe_integer(const std::optional<std::string>& x) {
  return x ? std::optional{int_of(x)} : std::nullopt;
}

std::string rfc3339_sql(const std::string& x) {
  return "to_char(" + x
         + " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
}

/// Number of rows, first and last time, and age, as `range_of` reads them.
std::string range_sql(const std::string& time) {
  auto finite = " FILTER (WHERE isfinite(" + time + "))";
  auto last = "max(" + time + ")" + finite;
  return "count(*), " + rfc3339_sql("min(" + time + ")" + finite) + ", "
         + rfc3339_sql(last) + ", floor(extract(epoch FROM now() - " + last
         + ") / 60)::bigint";
}

time_range range_of(const sql_row& row, std::size_t at) {
  return {row[at], row[at + 1], maybe_integer(row[at + 2])};
}

store_error no_such(const series_table& x, const std::string& what) {
  return {store_errc::refused, {}, to_string(x) + ' ' + what};
}

} // namespace

stats_reader::stats_reader(connection& conn, bool exact,
                           std::function<void(const std::string& table)> told)
  : conn_{conn},
    exact_{exact},
    told_{std::move(told)} {
}

store_result<tenant_stats>
stats_reader::read(const std::string& schema,
                   const std::vector<series_table>& series) {
  tenant_stats result;
  result.schema = schema;
  result.exact = exact_;
  symbol_counts_.clear();
  if (auto read = read_sizes(result); !read)
    return std::unexpected{std::move(read.error())};
  auto& tables = result.tables;
  std::size_t sorted = 0;
  for (const auto& x : series) {
    auto i = std::ranges::find(tables, x.table, &table_stats::name);
    if (i == tables.end()) {
      auto& lacking = tables.emplace_back();
      lacking.name = x.table;
      lacking.error = "does not exist";
      i = tables.end() - 1;
    }
    i->declared = true;
    auto to = tables.begin() + static_cast<std::ptrdiff_t>(sorted++);
    std::rotate(to, i, i + 1);
  }
  for (auto& x : tables) {
    if (!exact_ || !x.error.empty())
      continue;
    if (told_)
      told_(schema + '.' + x.name);
    auto i = std::ranges::find(series, x.name, &series_table::table);
    auto read = i != series.end() ? read_series(*i, result, x)
                                  : count(schema, x);
    if (!read && read.error().code == store_errc::unavailable)
      return std::unexpected{std::move(read.error())};
    if (!read)
      x.error = read.error().message;
  }
  if (auto read = read_top(result); !read)
    return std::unexpected{std::move(read.error())};
  std::ranges::stable_sort(result.recent, std::greater{},
                           &symbol_activity::latest);
  if (auto read = read_about(result); !read)
    return std::unexpected{std::move(read.error())};
  return result;
}

store_result<void> stats_reader::read_sizes(tenant_stats& to) {
  auto found = conn_.query(sizes_sql, {to.schema});
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows) {
    table_stats x;
    x.name = row[0].value_or("");
    x.table_bytes = int_of(row[1]);
    x.index_bytes = int_of(row[2]);
    x.total_bytes = int_of(row[3]);
    x.partitions = int_of(row[4]);
    if (!exact_ && row[6] == "f")
      x.rows = int_of(row[5]);
    to.tables.push_back(std::move(x));
  }
  return {};
}

store_result<void> stats_reader::read_about(tenant_stats& to) {
  auto found = conn_.query("SELECT pg_database_size(current_database()), "
                           + rfc3339_sql("clock_timestamp()"));
  if (!found)
    return std::unexpected{std::move(found.error())};
  to.database_bytes = int_of(found->rows[0][0]);
  to.fetched_at = found->rows[0][1].value_or("");
  return {};
}

store_result<void> stats_reader::count(const std::string& schema,
                                       table_stats& to) {
  auto found
    = conn_.query("SELECT count(*) FROM " + quote_identifier(schema, to.name));
  if (!found)
    return std::unexpected{std::move(found.error())};
  to.rows = int_of(found->rows[0][0]);
  return {};
}

store_result<std::optional<std::string>>
stats_reader::time_of(const series_table& x) {
  auto column = x.says.time;
  if (column.empty()) {
    auto key = conn_.query(key_sql, {x.schema, x.table});
    if (!key)
      return std::unexpected{std::move(key.error())};
    if (key->rows.empty())
      return std::nullopt;
    column = key->rows[0][0].value_or("");
  }
  auto type = conn_.query(type_sql, {x.schema, x.table, column});
  if (!type)
    return std::unexpected{std::move(type.error())};
  if (type->rows.empty())
    return std::unexpected{no_such(x, "has no column " + column)};
  auto name = type->rows[0][0].value_or("");
  auto result = time_expression(column, name);
  if (!result)
    return std::unexpected{
      no_such(x, "has no time in " + column + ", which is of type " + name)};
  return result;
}

store_result<void> stats_reader::read_series(const series_table& x,
                                             tenant_stats& all,
                                             table_stats& to) {
  auto time = time_of(x);
  if (!time)
    return std::unexpected{std::move(time.error())};
  if (!*time)
    return count(x.schema, to);
  auto found = conn_.query("SELECT " + range_sql(**time) + " FROM "
                           + quote_identifier(x.schema, x.table));
  if (!found)
    return std::unexpected{std::move(found.error())};
  to.rows = int_of(found->rows[0][0]);
  to.range = range_of(found->rows[0], 1);
  if (!x.says.exchange.empty())
    if (auto read = read_exchanges(x, **time, to); !read)
      return read;
  if (!x.says.symbol.empty())
    return read_activity(x, **time, all);
  return {};
}

store_result<void> stats_reader::read_exchanges(const series_table& x,
                                                const std::string& time,
                                                table_stats& to) {
  auto table = quote_identifier(x.schema, x.table);
  auto exchange = quote_identifier(x.says.exchange);
  auto rows = "SELECT " + exchange + " AS of, " + time + " AS at FROM " + table;
  auto name = std::string{"t.of::text"};
  auto from = " FROM (" + rows + ") t";
  if (!x.says.exchange_name.empty()) {
    auto target = conn_.query(target_sql, {x.schema, x.table, x.says.exchange});
    if (!target)
      return std::unexpected{std::move(target.error())};
    if (target->rows.empty())
      return std::unexpected{
        no_such(x, "has no foreign key of " + x.says.exchange)};
    const auto& row = target->rows[0];
    from += " LEFT JOIN "
            + quote_identifier(row[0].value_or(""), row[1].value_or(""))
            + " n ON n." + quote_identifier(row[2].value_or("")) + " = t.of";
    name = "coalesce(n." + quote_identifier(x.says.exchange_name)
           + "::text, t.of::text)";
  }
  auto found = conn_.query("SELECT coalesce(" + name + ", ''), "
                           + range_sql("t.at") + from
                           + " GROUP BY 1 ORDER BY 1");
  if (!found)
    return std::unexpected{std::move(found.error())};
  auto& all = to.exchanges.emplace();
  for (const auto& row : found->rows)
    all.push_back({row[0].value_or(""), int_of(row[1]), range_of(row, 2)});
  return {};
}

store_result<void> stats_reader::read_activity(const series_table& x,
                                               const std::string& time,
                                               tenant_stats& to) {
  auto table = quote_identifier(x.schema, x.table);
  auto symbol = quote_identifier(x.says.symbol) + "::text";
  auto known = " FROM " + table + " WHERE " + symbol + " IS NOT NULL";
  auto found = conn_.query(std::format(
    "SELECT s, {}, n FROM (SELECT {} AS s, max({}) AS at, count(*) FILTER "
    "(WHERE {} > now() - interval '1 hour') AS n{} AND isfinite({}) GROUP BY 1 "
    "ORDER BY 2 DESC, 1 LIMIT {}) t ORDER BY at DESC, s",
    rfc3339_sql("at"), symbol, time, time, known, time, max_symbols));
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    to.recent.push_back(
      {x.table, row[0].value_or(""), row[1].value_or(""), int_of(row[2])});
  symbol_counts_ += std::format("{}SELECT {} AS s, count(*) AS n{} GROUP BY 1",
                                symbol_counts_.empty() ? "" : " UNION ALL ",
                                symbol, known);
  return {};
}

store_result<void> stats_reader::read_top(tenant_stats& to) {
  if (symbol_counts_.empty())
    return {};
  auto found = conn_.query(std::format(
    "SELECT s, sum(n)::bigint FROM ({}) t GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT "
    "{}",
    symbol_counts_, max_symbols));
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    to.top_symbols.push_back({row[0].value_or(""), int_of(row[1])});
  return {};
}

} // namespace millrace::cli
