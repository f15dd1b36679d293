#pragma once

#include "actors/coordinator/partition_store.hpp"
#include "actors/store/lane_admin.hpp"
#include "nodes/cli/db_clean_plan.hpp"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace millrace::cli {

/// Finds out what is too old. Changes nothing. Blocks.
class clean_planner {
public:
  /// The connection, with no limit for its statements, outlives this.
  explicit clean_planner(connection& conn) : conn_{conn} {
  }

  /// First of all.
  store_result<void> prepare();

  /// Rows that go are counted, those of whole partitions estimated. A table
  /// that cannot be cleaned says so in its step.
  store_result<clean_step> plan(const series_table& table,
                                const clean_limits& limits);

  /// All rows go.
  store_result<clean_step> plan_all(const series_table& table);

private:
  store_result<void> cut(clean_step& to, const clean_limits& limits);
  store_result<void> cut_partitions(clean_step& to, const clean_limits& limits);
  store_result<void> cut_rows(clean_step& to, const clean_limits& limits);
  store_result<void> cut_boundary(clean_step& to, const old_partition& from);
  store_result<void> count(clean_step& to, const old_partition& from);

  connection& conn_;
};

/// What became of a step.
struct clean_done {
  std::vector<std::string> dropped;
  int64_t deleted = 0;
  bool truncated = false;
};

struct clean_config {
  /// Rows of one transaction.
  int64_t batch_rows = 10'000;

  /// Whether to go on.
  const std::atomic<bool>& stop;

  /// After each partition and each batch: the table, and what was done so far.
  /// May be empty.
  std::function<void(const clean_step&, const clean_done&)> did;
};

/// Does what was planned, each partition and each batch of rows in a
/// transaction of its own under the lease. Blocks.
class cleaner {
public:
  /// These outlive it; `store` has been taken.
  cleaner(connection& conn, const held_lease& lease, partition_store& store,
          const clean_config& config);

  /// What is in `to` was done, whatever the answer is.
  store_result<void> clean(const clean_step& step, clean_done& to);

  /// All tables of one transaction, which must be those of one schema; without
  /// CASCADE, so that nobody else's rows go.
  store_result<void> truncate(const std::vector<clean_step>& steps);

private:
  store_result<void> check_held(const old_partition& x);
  store_result<void> delete_rows(const clean_step& step,
                                 const old_partition& from, clean_done& to);
  void told(const clean_step& step, const clean_done& done) const;

  connection& conn_;
  const held_lease& lease_;
  partition_store& store_;
  const clean_config& config_;
};

} // namespace millrace::cli
