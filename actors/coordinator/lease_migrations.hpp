#pragma once

#include "actors/coordinator/coordinator_task.hpp"
#include "actors/coordinator/migration_history.hpp"

#include <chrono>
#include <vector>

namespace millrace {

/// The work of the MIGRATOR: applies what the jobs' schemas lack, each
/// transaction under the lease. One schema that cannot be migrated does not
/// keep the others from it.
///
/// The session must allow statements to take as long as they need.
task_work migrations_in_term(std::vector<migration_job> jobs,
                             std::chrono::milliseconds lock_timeout);

} // namespace millrace
