#pragma once

#include "nodes/cli/migrate_command.hpp"

#include <cstdint>

namespace millrace::cli {

/// What `millrace db init` got from the command line.
struct db_init_arguments {
  /// Which databases and tenants, and how.
  migrate_arguments migrate;

  /// Partitions of so many days from today on; 0: none.
  int32_t days = 7;
};

/// Makes what the configuration names and is not there yet: schemas, the
/// control schema, the packs' tables with their rows, and partitions. May be
/// repeated.
exit_code run_db_init(const db_init_arguments& what, console& to);

} // namespace millrace::cli
