#pragma once

#include "actors/coordinator/partition_plan.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What is done to one partition, for people who want to see it before.
struct partition_step {
  std::string partition;

  /// Of `make`, `drain`, `attach`, `detach`, `archive`, `drop`, in order.
  std::vector<std::string_view> actions;

  /// Of one that is made; nothing for the default partition.
  std::optional<partition_period> range;

  /// As they are run, but for the lease.
  std::vector<std::string> statements;
};

/// All that a go over the table would do, in its order: removals that have
/// begun, then the plan. Pure.
std::vector<partition_step>
steps_of(const partition_policy& policy, const known_table& table,
         const std::vector<begun_removal>& begun, const partition_plan& plan);

} // namespace millrace
