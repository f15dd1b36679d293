#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <string>

namespace millrace::cli {

/// What `millrace db stats` got from the command line.
struct db_stats_arguments : admin_arguments {
  /// Only this one; then JSON is one object, else an array of them.
  std::string tenant;

  /// `table` or `json`.
  std::string format = "table";

  /// Count nothing: rows are what the statistics say.
  bool estimate = false;
};

/// Tells what the tenants' tables hold. Changes nothing.
exit_code run_db_stats(const db_stats_arguments& what, console& to);

} // namespace millrace::cli
