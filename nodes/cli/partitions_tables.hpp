#pragma once

// Which declared tables a command is about, and a go over them.

#include "actors/coordinator/partition_plan.hpp"
#include "nodes/cli/partitions_command.hpp"

#include <chrono>
#include <optional>
#include <vector>

namespace millrace::cli {

/// Of the database that the session is of, in the order of the configuration.
std::vector<partition_policy> wanted_tables(const admin_session& session,
                                            const partitions_arguments& what);

/// A usage error when the filters leave no table of all databases.
admin_result<void> check_tables(const config& all,
                                const partitions_arguments& what);

/// A go over the tables of all sessions, which are closed meanwhile: what the
/// configuration declares, or an archive of what is older than that. Tells what
/// was done.
exit_code run_rounds(const partitions_arguments& what, console& to,
                     admin_sessions& sessions,
                     std::optional<std::chrono::milliseconds> older_than);

} // namespace millrace::cli
