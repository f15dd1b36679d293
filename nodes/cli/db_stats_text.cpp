#include "nodes/cli/db_stats_text.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/config.hpp"
#include "config/values.hpp"
#include "nodes/cli/console.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <numeric>

namespace millrace::cli {

namespace {

using stats_rows = std::vector<std::vector<std::string>>;

/// Aligns numbers at their ends.
void align_right(stats_rows& rows, std::size_t column) {
  std::size_t widest = 0;
  for (const auto& row : rows)
    widest = std::max(widest, row[column].size());
  for (auto& row : rows)
    row[column].insert(0, widest - row[column].size(), ' ');
}

std::string aligned(stats_rows rows, std::initializer_list<std::size_t> right) {
  for (auto column : right)
    align_right(rows, column);
  return table_text(rows);
}

/// Without fraction, and with a blank for the T.
std::string short_time(const std::optional<std::string>& x) {
  constexpr std::size_t seconds = 19;
  if (!x)
    return "-";
  auto result = x->substr(0, seconds);
  std::ranges::replace(result, 'T', ' ');
  return result;
}

std::string stats_number(const std::optional<int64_t>& x) {
  return x ? std::to_string(*x) : "-";
}

std::string age_of(const time_range& x) {
  return x.age_minutes ? age_text(*x.age_minutes) : "-";
}

int64_t partitions_of(const tenant_stats& x) {
  return std::transform_reduce(x.tables.begin(), x.tables.end(), int64_t{0},
                               std::plus{}, [](const table_stats& table) {
                                 return table.partitions;
                               });
}

std::string tables_text(const tenant_stats& x) {
  stats_rows rows{{"TABLE", x.exact ? "ROW COUNT" : "ROWS, ABOUT", "SIZE",
                   "DATA AGE", "MIN TIMESTAMP", "MAX TIMESTAMP"}};
  for (const auto& table : x.tables)
    rows.push_back({table.name, stats_number(table.rows),
                    size_text(table.total_bytes), age_of(table.range),
                    short_time(table.range.first),
                    short_time(table.range.last)});
  return aligned(std::move(rows), {1, 2});
}

std::string sizes_text(const tenant_stats& x) {
  auto tables = x.tables;
  std::ranges::stable_sort(tables, std::greater{}, &table_stats::total_bytes);
  stats_rows rows{
    {"TABLE", "ROW COUNT", "TABLE SIZE", "INDEX SIZE", "TOTAL SIZE"}};
  for (const auto& table : tables)
    rows.push_back({table.name, stats_number(table.rows),
                    size_text(table.table_bytes), size_text(table.index_bytes),
                    size_text(table.total_bytes)});
  return aligned(std::move(rows), {1, 2, 3, 4});
}

std::string exchanges_text(const table_stats& x) {
  stats_rows rows{{"EXCHANGE", "COUNT", "DATA AGE", "LATEST UPDATE"}};
  for (const auto& exchange : *x.exchanges)
    rows.push_back({exchange.name, std::to_string(exchange.rows),
                    age_of(exchange.range), short_time(exchange.range.last)});
  return '\n' + x.name + " by exchange\n" + aligned(std::move(rows), {1});
}

std::string symbols_text(const tenant_stats& x) {
  std::string result;
  if (!x.recent.empty()) {
    stats_rows rows{{"TABLE", "SYMBOL", "LATEST", "LAST HOUR"}};
    for (const auto& one : x.recent)
      rows.push_back({one.table, one.symbol, short_time(one.latest),
                      std::to_string(one.last_hour)});
    result += "\nRecent activity\n" + aligned(std::move(rows), {3});
  }
  if (!x.top_symbols.empty()) {
    stats_rows rows{{"SYMBOL", "RECORDS"}};
    for (const auto& one : x.top_symbols)
      rows.push_back({one.symbol, std::to_string(one.rows)});
    result += "\nTop symbols\n" + aligned(std::move(rows), {1});
  }
  return result;
}

void stats_maybe(json_writer& out, std::string_view key,
                 const std::optional<int64_t>& x) {
  out.key(key);
  if (x)
    out.integer(*x);
  else
    out.null();
}

void stats_maybe(json_writer& out, std::string_view key,
                 const std::optional<std::string>& x) {
  out.key(key);
  if (x)
    out.string(*x);
  else
    out.null();
}

void write_range(json_writer& out, const time_range& x) {
  stats_maybe(out, "min_timestamp", x.first);
  stats_maybe(out, "max_timestamp", x.last);
  stats_maybe(out, "data_age_minutes", x.age_minutes);
}

void write_table(json_writer& out, const table_stats& x) {
  out.key(x.name).begin_object();
  stats_maybe(out, "row_count", x.rows);
  out.key("size").string(size_text(x.total_bytes));
  out.key("table_bytes").integer(x.table_bytes);
  out.key("index_bytes").integer(x.index_bytes);
  out.key("total_bytes").integer(x.total_bytes);
  out.key("partition_count").integer(x.partitions);
  write_range(out, x.range);
  if (x.exchanges) {
    out.key("exchange_breakdown").begin_object();
    for (const auto& exchange : *x.exchanges) {
      out.key(exchange.name).begin_object();
      out.key("count").integer(exchange.rows);
      write_range(out, exchange.range);
      out.end_object();
    }
    out.end_object();
  }
  if (!x.error.empty())
    out.key("error").string(x.error);
  out.end_object();
}

void write_metadata(json_writer& out, const tenant_stats& x) {
  out.key("metadata").begin_object();
  out.key("tenant").string(x.tenant);
  out.key("schema").string(x.schema);
  out.key("database").string(x.database);
  out.key("database_bytes").integer(x.database_bytes);
  out.key("database_size").string(size_text(x.database_bytes));
  out.key("partition_count").integer(partitions_of(x));
  out.key("exact").boolean(x.exact);
  out.key("fetched_at").string(x.fetched_at);
  out.key("top_symbols").begin_array();
  for (const auto& one : x.top_symbols) {
    out.begin_object().key("symbol").string(one.symbol);
    out.key("total_records").integer(one.rows).end_object();
  }
  out.end_array();
  out.key("recent_activity").begin_array();
  for (const auto& one : x.recent) {
    out.begin_object().key("table_name").string(one.table);
    out.key("symbol").string(one.symbol);
    out.key("latest_ts").string(one.latest);
    out.key("count_last_hour").integer(one.last_hour).end_object();
  }
  out.end_array();
  out.end_object();
}

} // namespace

std::string size_text(int64_t bytes) {
  // PostgreSQL goes to the next unit where this one would need five digits.
  constexpr int64_t limit = 10 * 1024;
  constexpr std::array units{"kB", "MB", "GB", "TB", "PB"};
  if (bytes < limit)
    return std::format("{} bytes", bytes);
  // One more binary digit, by which it is rounded.
  auto x = bytes >> 9;
  for (const auto* unit : units) {
    if (x < 2 * limit - 1 || unit == units.back())
      return std::format("{} {}", (x + 1) / 2, unit);
    x >>= 10;
  }
  return {};
}

std::string age_text(int64_t minutes) {
  constexpr int64_t hour = 60;
  constexpr int64_t day = 24 * hour;
  if (minutes < hour)
    return std::format("{}m", minutes);
  return minutes < day ? std::format("{}h", minutes / hour)
                       : std::format("{}d", minutes / day);
}

std::string stats_text(const tenant_stats& x) {
  auto result = std::format("Tenant {}, schema {}", printable(x.tenant),
                            printable(x.schema));
  if (x.database != control_database)
    result += " of database " + printable(x.database);
  result += '\n' + tables_text(x)
            + std::format("Total partitions: {}\nFetched at: {}\n",
                          partitions_of(x), x.fetched_at)
            + std::format("\nSizes; {} in the whole database\n",
                          size_text(x.database_bytes))
            + sizes_text(x);
  for (const auto& table : x.tables)
    if (table.exchanges && !table.exchanges->empty())
      result += exchanges_text(table);
  return result + symbols_text(x);
}

void write_stats(json_writer& out, const tenant_stats& x) {
  out.begin_object();
  for (const auto& table : x.tables)
    write_table(out, table);
  write_metadata(out, x);
  out.end_object();
}

} // namespace millrace::cli
