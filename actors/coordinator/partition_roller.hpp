#pragma once

#include "actors/coordinator/coordinator_task.hpp"
#include "actors/coordinator/partition_plan.hpp"

#include <chrono>
#include <vector>

namespace millrace {

/// The work of the PARTITION ROLLER: makes and removes partitions so that the
/// tables are as their policies say, by the database's clock, each in a short
/// transaction under the lease.
///
/// A table that cannot be looked after does not keep the others from it. Where
/// somebody holds a lock, the table is left and comes again before long: what
/// was made ahead lasts until then.
task_work partitions_in_term(std::vector<partition_policy> policies,
                             std::chrono::milliseconds lock_timeout);

} // namespace millrace
