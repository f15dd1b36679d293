#pragma once

// Files against history: what is wrong, what has to be done, in which order.
// Pure.

#include "actors/coordinator/migration.hpp"

#include <variant>

namespace millrace {

enum class migration_state : uint8_t {
  applied,
  pending,
  /// Applied, but the file has been edited since.
  edited,
  /// Applied, but there is no such file.
  unknown,
  /// Without a transaction, and so far only some of its steps are done.
  interrupted,
};

std::string to_string(migration_state x);

struct migration_status {
  /// 0 for a repeatable file.
  int32_t version = 0;
  std::string name;
  std::string description;
  migration_state state = migration_state::pending;

  /// Where applied: as PostgreSQL prints it.
  std::string applied_at;
  std::string applied_by;
  int64_t execution_time_ms = 0;
  std::string author = {};

  /// Written down by `baseline`, and not run.
  bool baseline = false;
};

/// A row of `schema_migrations` or `schema_repeatables`.
struct applied_migration {
  int32_t version = 0;
  std::string name;
  std::string description;
  std::string author;
  std::string checksum;
  std::string applied_at;
  std::string applied_by;
  int64_t execution_time_ms = 0;
  bool baseline = false;
};

enum class migration_direction : uint8_t { up, down };

std::string to_string(migration_direction x);

/// A file without a transaction that some run began and did not end.
struct interrupted_migration {
  int32_t version = 0;
  std::string name;
  migration_direction direction = migration_direction::up;
};

struct migration_history {
  /// By version.
  std::vector<applied_migration> versions;
  /// By name.
  std::vector<applied_migration> repeatables;
  std::vector<interrupted_migration> interrupted;
};

/// What of a set is applied and what is not, by version and then by name. Files
/// and rows are matched one by one: an applied file that is gone does not hide
/// one that is pending.
std::vector<migration_status> compare(const migration_set& set,
                                      const migration_history& history);

/// All that is wrong, of the files and of their history, each with what to do.
std::vector<std::string> find_problems(const migration_set& set,
                                       const migration_history& history);

/// Everything that is pending.
struct migrate_up {};

/// The newest `count` versions are taken back.
struct migrate_down {
  int32_t count = 1;
};

/// The newest version is taken back and applied again.
struct migrate_redo {};

/// Up to and including this version, or back to it; 0 takes all back.
struct migrate_to {
  int32_t version = 0;

  /// Refused where the way is the other one; nothing: either.
  std::optional<migration_direction> only = {};
};

/// Everything that is pending, and reference rows whether they are or not.
struct migrate_seed {};

using migration_goal = std::variant<migrate_up, migrate_down, migrate_redo,
                                    migrate_to, migrate_seed>;

struct planned_migration {
  migration file;
  migration_direction direction = migration_direction::up;
};

/// What to run, in order; nothing when there is nothing to do. An error lists
/// every reason why not, among them `find_problems`. Repeatable files come
/// last, and only when all versions will be applied.
std::expected<std::vector<planned_migration>, std::vector<std::string>>
make_plan(const migration_set& set, const migration_history& history,
          const migration_goal& goal);

/// What `baseline` writes down: files up to `version` that have no row.
std::expected<std::vector<migration>, std::vector<std::string>>
plan_baseline(const migration_set& set, const migration_history& history,
              int32_t version);

} // namespace millrace
