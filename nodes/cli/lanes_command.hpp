#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <cstdint>
#include <string>

namespace millrace::cli {

/// What `millrace lanes …` got from the command line; each command reads the
/// part that is its own.
struct lanes_arguments : admin_arguments {
  // Which ones.
  std::string pipeline;
  std::string tenant;
  std::string state;

  /// One line per partition too.
  bool partitions = false;

  /// `pipeline/tenant/shard`.
  std::string lane;

  /// `pipeline/topic/partition`, in place of a lane.
  std::string partition;

  bool all_halted = false;

  // For `skip` and `adopt-topic`.
  std::string topic;
  int32_t number = -1;
  int64_t to = -1;
  std::string from = "earliest";

  /// For `backfills`: the one that is to end where it is.
  std::string give_up;

  /// For `change`: for how long the lanes may take to come together.
  std::string patience = "2m";
};

/// Lanes with state, owner, offsets and lag.
exit_code run_lanes_list(const lanes_arguments& what, console& to);

/// What stands still: lanes and partitions, why, and what makes them go on.
/// `failed` when there is something.
exit_code run_lanes_halted(const lanes_arguments& what, console& to);

/// Backfills: where they stand, where they end, and which records they lack;
/// `failed` while something of one is to come. Or gives one up.
exit_code run_lanes_backfills(const lanes_arguments& what, console& to);

exit_code run_lanes_resume(const lanes_arguments& what, console& to);

exit_code run_lanes_halt(const lanes_arguments& what, console& to);

/// Passes over records of a halted lane.
exit_code run_lanes_skip(const lanes_arguments& what, console& to);

/// Reads a topic that was deleted and made again.
exit_code run_lanes_adopt(const lanes_arguments& what, console& to);

/// Gives a pipeline the lanes, tenants, routes and writes of a configuration
/// while nodes run (rule 25).
exit_code run_lanes_change(const lanes_arguments& what, console& to);

} // namespace millrace::cli
