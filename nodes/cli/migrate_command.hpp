#pragma once

#include "nodes/cli/console.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace migrate up` and `status` got from the command line.
struct migrate_arguments {
  /// Says where PostgreSQL is, which sets are needed and for which tenants.
  std::string config;
  std::vector<std::string> pack_dirs;

  /// With `config`: only this database; empty: all.
  std::string database;

  /// In place of `config`: the variable of the environment that holds
  /// PostgreSQL's URL. URLs hold passwords, and arguments are no secrets.
  std::string pg_env;

  /// Only this set.
  std::string set;

  /// Take the files of `set` from this folder.
  std::string dir;

  // Where `set` belongs, without a configuration.
  std::string schema;
  std::string tenant;
};

/// Applies what is missing.
exit_code run_migrate_up(const migrate_arguments& what, console& to);

/// Tells what is applied and what is not. Changes nothing.
exit_code run_migrate_status(const migrate_arguments& what, console& to);

} // namespace millrace::cli
