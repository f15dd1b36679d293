#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace partitions …` got from the command line.
struct partitions_arguments : admin_arguments {
  // Which tables, of those that are declared; empty: all.
  std::string pipeline;
  std::string tenant;
  std::string table;

  /// Of `archive`: a duration.
  std::string older_than;
};

/// What `millrace partitions restore` got.
struct archive_restore_arguments : admin_arguments {
  std::vector<std::string> manifests;

  /// The table's name; empty: that of the partition that it was.
  std::string as;

  bool attach = false;
};

/// What `millrace partitions release` got: `schema.partition`.
struct release_arguments : admin_arguments {
  std::string partition;
};

/// Every partition of the tables, and how far ahead they reach.
exit_code run_partitions_list(const partitions_arguments& what, console& to);

/// What a go would do now, with the SQL. Changes nothing.
exit_code run_partitions_plan(const partitions_arguments& what, console& to);

/// One go, now: in the term of the node that coordinates, or in one of its own
/// where none does.
exit_code run_partitions_run(const partitions_arguments& what, console& to);

/// Puts partitions into files that are older than somebody says, once he has
/// seen which.
exit_code run_partitions_archive(const partitions_arguments& what, console& to);

/// Makes tables of archives.
exit_code run_partitions_restore(const archive_restore_arguments& what,
                                 console& to);

/// Lets a partition that was brought back be removed again.
exit_code run_partitions_release(const release_arguments& what, console& to);

} // namespace millrace::cli
