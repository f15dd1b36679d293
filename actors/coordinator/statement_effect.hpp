#pragma once

#include "actors/coordinator/sql_script.hpp"

#include <optional>

namespace millrace {

/// PostgreSQL's table locks, weakest first.
enum class lock_level : uint8_t {
  none,
  access_share,
  row_share,
  row_exclusive,
  share_update_exclusive,
  share,
  share_row_exclusive,
  exclusive,
  access_exclusive,
};

/// "ACCESS EXCLUSIVE"; "no lock" for none.
std::string to_string(lock_level x);

/// Reads `AccessExclusiveLock` as pg_locks has it.
lock_level lock_level_of(std::string_view pg_locks_mode);

/// What a statement does with the rows that are there, under its lock.
enum class table_work : uint8_t { idle, scan, rewrite };

/// "", "reads all rows" or "writes all rows anew".
std::string to_string(table_work x);

/// What a statement is known to do, by its kind. What PostgreSQL makes of it
/// may be less: a new type that holds the same bits rewrites nothing.
struct statement_effect {
  /// Such as "ALTER TABLE … SET NOT NULL"; empty when it is none that is known.
  std::string kind;

  lock_level lock = lock_level::none;
  table_work work = table_work::idle;

  /// The table that it is about, without schema; empty where there is none.
  std::string table;

  /// The table that it makes, likewise.
  std::string makes;
};

/// One for each action of an ALTER TABLE, else one.
std::vector<statement_effect> effects_of(const sql_statement& x);

} // namespace millrace
