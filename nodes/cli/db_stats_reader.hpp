#pragma once

#include "actors/store/connection.hpp"
#include "nodes/cli/db_series.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

/// When rows of some kind were true: RFC 3339 in UTC, with microseconds.
struct time_range {
  std::optional<std::string> first;
  std::optional<std::string> last;

  /// Whole minutes from the last one to now.
  std::optional<int64_t> age_minutes;
};

/// Rows that come from one exchange.
struct exchange_stats {
  std::string name;
  int64_t rows = 0;
  time_range range;
};

/// What came lately of one symbol into one table.
struct symbol_activity {
  std::string table;
  std::string symbol;
  std::string latest;
  int64_t last_hour = 0;
};

struct symbol_count {
  std::string symbol;
  int64_t rows = 0;
};

/// A table with all its partitions.
struct table_stats {
  std::string name;

  /// Whether the configuration declares that it grows with time, and what does
  /// not let it be told.
  bool declared = false;
  std::string error;

  // In bytes: rows with TOAST, indexes, and both.
  int64_t table_bytes = 0;
  int64_t index_bytes = 0;
  int64_t total_bytes = 0;

  /// Without the default one.
  int64_t partitions = 0;

  /// Counted, or as the statistics estimate them; nothing: not known.
  std::optional<int64_t> rows;
  time_range range;

  /// By name; nothing where no exchange is declared.
  std::optional<std::vector<exchange_stats>> exchanges;
};

/// All tables of a tenant.
struct tenant_stats {
  std::string tenant;
  std::string schema;
  std::string database;

  /// Those that are declared in the order of the configuration, then the others
  /// by name.
  std::vector<table_stats> tables;

  /// Of all tenants.
  int64_t database_bytes = 0;

  /// Rows were counted.
  bool exact = true;
  std::string fetched_at;

  /// Of all tables with a symbol, the largest first.
  std::vector<symbol_count> top_symbols;

  /// The latest first.
  std::vector<symbol_activity> recent;
};

/// More symbols are told neither of the largest nor of one table's latest.
inline constexpr int max_symbols = 10;

/// Looks at the tables of a tenant. Changes nothing. Blocks.
class stats_reader {
public:
  /// `told` is called before each table, and may be empty. The connection, with
  /// no limit for its statements, outlives this.
  stats_reader(connection& conn, bool exact,
               std::function<void(const std::string& table)> told);

  /// `series` are those of the tenant. What cannot be told of a table is said
  /// there.
  store_result<tenant_stats> read(const std::string& schema,
                                  const std::vector<series_table>& series);

private:
  store_result<void> read_sizes(tenant_stats& to);
  store_result<void> read_about(tenant_stats& to);
  store_result<void> count(const std::string& schema, table_stats& to);

  /// The time of its rows as SQL; nothing where there is none.
  store_result<std::optional<std::string>> time_of(const series_table& x);

  store_result<void> read_series(const series_table& x, tenant_stats& all,
                                 table_stats& to);
  store_result<void> read_exchanges(const series_table& x,
                                    const std::string& time, table_stats& to);
  store_result<void> read_activity(const series_table& x,
                                   const std::string& time, tenant_stats& to);
  store_result<void> read_top(tenant_stats& to);

  connection& conn_;
  bool exact_;
  std::function<void(const std::string&)> told_;

  /// Of symbols of each table, as SQL.
  std::string symbol_counts_;
};

} // namespace millrace::cli
