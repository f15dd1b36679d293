#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace::cli {

/// What `millrace db clean` got from the command line.
struct db_clean_arguments : admin_arguments {
  // Which tables, of those that are declared; empty: all.
  std::string tenant;
  std::string table;

  // Days; one of these three is needed.
  std::optional<int32_t> older_than;
  std::optional<int32_t> drop_partitions_older_than;
  bool truncate = false;

  /// Tell what would go, and do nothing.
  bool dry_run = false;

  /// Rows that one transaction deletes.
  int64_t batch = 10'000;
};

/// Removes what is old from tables that grow with time, or all of it. Tells
/// first, and asks.
exit_code run_db_clean(const db_clean_arguments& what, console& to);

} // namespace millrace::cli
