#pragma once

#include "actors/coordinator/lease_store.hpp"
#include "actors/coordinator/partition_plan.hpp"
#include "actors/coordinator/task_result.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What became of one table in a go.
struct table_round {
  int64_t done = 0;
  std::size_t planned_new = 0;
  std::size_t planned_old = 0;

  /// As it is afterwards.
  partition_reach reach;

  /// Partitions that are detached, and are still there because their archives
  /// could not be written.
  int64_t unarchived = 0;
};

/// What can become of a partition.
inline constexpr std::string_view partition_made = "made";
inline constexpr std::string_view partition_archived = "archived";
inline constexpr std::string_view partition_dropped = "dropped";

struct round_config {
  /// For each lock. Keep it shorter than writers wait for theirs: those that
  /// come meanwhile wait behind.
  std::chrono::milliseconds lock_timeout{2'000};

  /// Whom archives name.
  std::string by = {};

  /// Before each change to a table; an error leaves it as it is. May be empty.
  std::function<store_result<void>(const partition_policy&)> before;

  /// After each partition that was made or dropped; of one that is archived,
  /// which comes before its drop, `name` is its manifest. May be empty.
  std::function<void(const partition_policy&, std::string_view verb,
                     const std::string& name)>
    did;

  /// After each table that could be read, whatever became of it. May be empty.
  std::function<void(const partition_policy&, const table_round&)> saw;
};

/// What a go says when another session does the same.
inline constexpr std::string_view partitions_busy
  = "another session is at the partitions";

/// Makes and removes partitions so that the tables are as their policies say,
/// by the database's clock, each in a short transaction under the lease.
/// Blocks.
///
/// A table that cannot be looked after does not keep the others from it. Where
/// somebody holds a lock, the table is left: what was made ahead lasts until
/// the next go.
task_result roll_partitions(connection& conn, const held_lease& lease,
                            const std::atomic<bool>& stop,
                            const std::vector<partition_policy>& policies,
                            const round_config& config);

/// The same, but makes nothing and removes what `plan_archive` says.
task_result archive_partitions(connection& conn, const held_lease& lease,
                               const std::atomic<bool>& stop,
                               const std::vector<partition_policy>& policies,
                               std::chrono::milliseconds older_than,
                               const round_config& config);

} // namespace millrace
