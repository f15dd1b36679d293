#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <string>

namespace millrace::cli {

/// What `millrace partitions …` got from the command line.
struct partitions_arguments : admin_arguments {
  // Which tables, of those that are declared; empty: all.
  std::string pipeline;
  std::string tenant;
  std::string table;
};

/// Every partition of the tables, and how far ahead they reach.
exit_code run_partitions_list(const partitions_arguments& what, console& to);

/// What a go would do now, with the SQL. Changes nothing.
exit_code run_partitions_plan(const partitions_arguments& what, console& to);

/// One go, now: in the term of the node that coordinates, or in one of its own
/// where none does.
exit_code run_partitions_run(const partitions_arguments& what, console& to);

} // namespace millrace::cli
