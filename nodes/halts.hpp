#pragma once

#include "messages/supervision.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace millrace {

/// What of a node's tree stands still until somebody or something mends it.
/// Whatever the tree knows of is there, with 0 while nothing is wrong with it.
struct halt_tally {
  /// By pipeline. A lane counts once, whether its writer says so, its row in
  /// the view of a partition, or both.
  std::map<std::string, int64_t> lanes_halted;
  std::map<std::string, int64_t> lanes_parked;

  /// By topic.
  std::map<std::string, int64_t> partitions_halted;
};

halt_tally tally_halts(const actor_report& tree);

} // namespace millrace
