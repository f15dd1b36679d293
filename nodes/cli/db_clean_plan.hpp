#pragma once

// What `millrace db clean` would do, and how it tells. Pure.

#include "actors/coordinator/partition_plan.hpp"
#include "nodes/cli/db_series.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

/// What is too old. One of the two at least.
struct clean_limits {
  /// Rows from before now and so many days.
  std::optional<int32_t> rows_days;

  /// Partitions of days before today and so many days.
  std::optional<int32_t> partitions_days;
};

/// What of one partitioned table is too old.
struct clean_cut {
  /// Whole partitions, the oldest first.
  std::vector<old_partition> drop;

  /// Those that are too old in part: of these rows go, with a key before
  /// `rows_before`.
  std::vector<old_partition> boundary;

  /// Those that would be among them and are held.
  std::vector<old_partition> held;
  std::optional<partition_time> rows_before;
};

/// Times without a zone are those of `zone`'s wall; its days count as days.
clean_cut cut_of(const known_table& table, const clean_limits& limits,
                 std::string_view zone, partition_time now);

/// The same for a table that is not partitioned.
std::optional<partition_time>
rows_before(partition_key_type type, const clean_limits& limits,
            std::string_view zone, partition_time now);

/// A partition that goes.
struct clean_drop {
  old_partition what;

  /// As the statistics have it; nothing: not known.
  std::optional<int64_t> rows;
  int64_t bytes = 0;
};

/// Rows that go, out of a partition or out of a table without.
struct clean_delete {
  old_partition from;
  int64_t rows = 0;
};

/// A partition with old rows that stays.
struct clean_keep {
  old_partition what;

  /// `is held; …`
  std::string why;
};

clean_keep keep_held(const old_partition& x);

/// What is to be done to one table.
struct clean_step {
  series_table table;

  /// Of a partitioned one.
  known_table known;

  /// The column that says what is old, and its type.
  std::string key;
  partition_key_type type = partition_key_type::timestamptz;
  std::optional<partition_time> rows_before;
  std::vector<clean_drop> drops;
  std::vector<clean_delete> deletes;
  std::vector<clean_keep> keeps;

  /// In place of all of these: how much goes.
  bool truncate = false;
  std::optional<int64_t> rows;
  int64_t bytes = 0;

  /// Why it cannot be cleaned.
  std::string error;

  bool is_nothing() const noexcept {
    return drops.empty() && deletes.empty() && !truncate;
  }
};

/// The steps that a reader can judge: table, partitions, rows, bytes.
std::string clean_plan_text(const std::vector<clean_step>& all);

/// An array with an object per table.
std::string clean_plan_json(const std::vector<clean_step>& all);

} // namespace millrace::cli
