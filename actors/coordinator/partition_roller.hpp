#pragma once

#include "actors/coordinator/coordinator_task.hpp"
#include "actors/coordinator/partition_plan.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace millrace {

/// The work of the PARTITION ROLLER: a go over the tables, see
/// `roll_partitions`, with what it did in the log. `by` is whom archives name.
task_work partitions_in_term(std::vector<partition_policy> policies,
                             std::chrono::milliseconds lock_timeout,
                             std::string by);

} // namespace millrace
