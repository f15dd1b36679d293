#pragma once

// What a configuration says of tables that grow with time, beside what is
// written into them.

#include "config/source_position.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// How far a partition reaches.
enum class partition_every : uint8_t { hour, day, week, month };

std::string to_string(partition_every x);

/// What the column holds that a table is partitioned by.
enum class partition_key : uint8_t {
  /// A timestamp or date, as PostgreSQL's types say.
  timestamp,
  /// A bigint: milliseconds since 1970.
  milliseconds,
};

std::string to_string(partition_key x);

/// Where a row goes that no partition takes.
enum class late_rows : uint8_t {
  /// Nowhere: its lane waits until there is one.
  wait,
  /// As with `wait`, but one that is older than what is kept is a dead letter.
  reject,
  /// Into a default partition, and from there into one of its own.
  catch_all,
};

/// As in the file: `wait`, `reject` or `default`.
std::string to_string(late_rows x);

/// Tables whose partitions are made ahead of time, and removed in time.
struct partition_config {
  std::vector<std::string> tables;
  partition_every every = partition_every::day;

  /// A name of the IANA database.
  std::string timezone = "UTC";
  partition_key key = partition_key::timestamp;
  std::chrono::milliseconds ahead{std::chrono::hours{14 * 24}};

  /// 0: for ever.
  std::chrono::milliseconds keep{0};
  late_rows late = late_rows::wait;

  /// A folder for the rows of partitions that are removed; empty: none.
  std::string archive;

  /// With `{table}`, `{YYYY}` and so on; empty: as `every` wants it.
  std::string name;

  /// Of a `[[partition]]`: in whose schemas the tables are; empty: in those of
  /// all tenants. Otherwise the pipeline's tenants.
  std::vector<std::string> tenants;

  source_position at;
};

/// What operators want to know of tables that grow with time.
struct series_config {
  std::vector<std::string> tables;

  /// The column that says when; empty: the one that the table is partitioned
  /// by.
  std::string time;

  /// Whose names stand for what rows are about, and where they come from;
  /// empty: nothing is told by them.
  std::string symbol;
  std::string exchange;

  /// A column of the table that a foreign key of `exchange` names; empty:
  /// `exchange` speaks for itself.
  std::string exchange_name;

  source_position at;
};

} // namespace millrace
