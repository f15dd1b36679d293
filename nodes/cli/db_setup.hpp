#pragma once

#include "nodes/cli/db_init.hpp"

#include <string>

namespace millrace::cli {

/// What `millrace db setup-dev` got from the command line.
struct db_setup_arguments {
  db_init_arguments init;

  /// Of the roles.
  std::string prefix = "millrace";
};

/// Makes databases that are not there, all that `init` makes, and the roles:
/// what a developer needs to start a node.
exit_code run_db_setup_dev(const db_setup_arguments& what, console& to);

/// The name of the database that PostgreSQL's URL, or the part of the
/// configuration, says; empty where neither does. Pure.
std::string database_name_of(const postgresql_config& x);

} // namespace millrace::cli
