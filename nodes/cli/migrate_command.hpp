#pragma once

#include "nodes/cli/console.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::cli {

/// What the commands below `millrace migrate` got from the command line.
struct migrate_arguments {
  /// Says where PostgreSQL is, which sets are needed and for which tenants.
  std::string config;
  std::vector<std::string> pack_dirs;

  /// With `config`: in place of where that says that the control database is;
  /// without it the same as `conn`.
  std::string database_url;

  /// With `config`: only this database; empty: all.
  std::string database;

  /// In place of `config`: the variable of the environment that holds
  /// PostgreSQL's URL. URLs hold passwords, and arguments are no secrets.
  std::string pg_env;

  /// The URL itself, for those without a password.
  std::string conn;

  /// Only this set.
  std::string set;

  /// Sets of the program beside those of `config`, for every tenant.
  std::vector<std::string> sets_beside;

  /// Take the files of `set` from this folder.
  std::string dir;

  // Where `set` belongs, without a configuration; with one, `tenant` leaves
  // the others out.
  std::string schema;
  std::string tenant;

  /// A duration; empty: as configured.
  std::string lock_timeout;

  /// How many schemas at a time.
  int32_t parallel = 4;

  bool verbose = false;

  /// Tell what would be done, and do nothing.
  bool dry_run = false;

  /// `verify`: compare the schemas with what their migrations make.
  bool deep = false;

  /// The command has to be told which set it is about.
  bool one_set = false;

  /// `to` and `baseline`: the version; `down`: how many.
  int32_t number = 1;

  /// `to`: `up` or `down`, when it may go no other way.
  std::string only;
};

/// What `millrace migrate new` got from the command line.
struct new_migration_arguments {
  std::string words;
  std::string dir;
  std::string author;
  bool repeatable = false;
};

/// Writes a file to begin with.
exit_code run_migrate_new(const new_migration_arguments& what, console& to);

/// Makes schemas and their histories.
exit_code run_migrate_init(const migrate_arguments& what, console& to);

/// Applies what is missing.
exit_code run_migrate_up(const migrate_arguments& what, console& to);

/// Takes back the newest.
exit_code run_migrate_down(const migrate_arguments& what, console& to);

/// Takes back the newest and applies it again.
exit_code run_migrate_redo(const migrate_arguments& what, console& to);

/// Goes up or back to a version.
exit_code run_migrate_to(const migrate_arguments& what, console& to);

/// Tells what is applied and what is not. Changes nothing.
exit_code run_migrate_status(const migrate_arguments& what, console& to);

/// Tells everything that is wrong. Changes nothing.
exit_code run_migrate_verify(const migrate_arguments& what, console& to);

/// Writes down that versions are applied.
exit_code run_migrate_baseline(const migrate_arguments& what, console& to);

} // namespace millrace::cli
