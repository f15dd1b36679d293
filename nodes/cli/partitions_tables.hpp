#pragma once

// Which declared tables a command is about.

#include "actors/coordinator/partition_plan.hpp"
#include "nodes/cli/partitions_command.hpp"

#include <vector>

namespace millrace::cli {

/// Of the database that the session is of, in the order of the configuration.
std::vector<partition_policy> wanted_tables(const admin_session& session,
                                            const partitions_arguments& what);

/// A usage error when the filters leave no table of all databases.
admin_result<void> check_tables(const config& all,
                                const partitions_arguments& what);

} // namespace millrace::cli
