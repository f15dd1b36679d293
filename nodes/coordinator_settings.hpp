#pragma once

// What nodes and commands give the coordinator of a database. Pure.

#include "actors/coordinator/partition_plan.hpp"
#include "actors/store/session_config.hpp"
#include "config/config.hpp"

#include <chrono>
#include <vector>

namespace millrace {

/// Of work under the lease: what it does may take as long as it needs.
session_config task_session(const postgresql_config& database);

/// For questions about the lease's row, that must be answered within a term.
session_config lease_session(const postgresql_config& database,
                             std::chrono::milliseconds term);

/// What is declared for tables of the database's tenants, each table once.
std::vector<partition_policy> policies_of(const config& all,
                                          const postgresql_config& database);

/// How long the partition roller waits for a lock: shorter than a flush does,
/// as a writer that comes in between must not fail.
std::chrono::milliseconds
partition_lock_timeout(const postgresql_config& database);

} // namespace millrace
