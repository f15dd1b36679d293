#pragma once

#include "actors/coordinator/partition_plan.hpp"
#include "actors/store/connection.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// How large a partition is, with its indexes.
struct partition_size {
  std::string schema;
  std::string name;

  /// As the statistics estimate them; nothing when there are none yet.
  std::optional<int64_t> rows;
  int64_t bytes = 0;
};

/// Where a partition begins and ends; nothing: unbounded.
struct partition_bounds {
  std::optional<partition_time> from;
  std::optional<partition_time> to;
};

/// What the catalog of one database says of partitioned tables. Changes
/// nothing. Blocks.
///
/// Errors: `refused` with a sentence about the table, or what PostgreSQL said.
class partition_catalog {
public:
  /// This outlives it.
  explicit partition_catalog(connection& conn) : conn_{conn} {
  }

  /// Sets how the session prints times; first of all.
  store_result<void> prepare();

  /// The database's clock.
  store_result<partition_time> now();

  store_result<known_table> read(const partition_policy& policy);

  /// Removals that have begun, whose partition is detached or nearly so. Of
  /// those that got no further than to be noted, the policy decides anew.
  store_result<std::vector<begun_removal>>
  removals(const partition_policy& policy);

  /// What `FOR VALUES FROM (…) TO (…)` says, printed by a prepared session.
  store_result<partition_bounds> bounds(partition_key_type type,
                                        const std::string& text);

  /// Of all partitions of the table.
  store_result<std::vector<partition_size>>
  sizes(const partition_policy& policy);

private:
  /// Nothing where the table is none, or where there is no TimescaleDB.
  store_result<std::optional<known_table>>
  read_hypertable(const partition_policy& policy);
  store_result<std::vector<partition_time>> strays(const known_table& table,
                                                   const known_partition& rest);

  connection& conn_;
};

} // namespace millrace
