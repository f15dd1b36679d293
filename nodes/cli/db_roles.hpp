#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <string>

namespace millrace::cli {

/// What `millrace db roles …` got from the command line.
struct db_roles_arguments : admin_arguments {
  std::string prefix = "millrace";
};

/// The statements that make the roles and give them what they need.
exit_code run_db_roles_plan(const db_roles_arguments& what, console& to);

/// Runs them, in one transaction for each database.
exit_code run_db_roles_apply(const db_roles_arguments& what, console& to);

/// The same without words, for other commands.
admin_result<void> apply_roles(admin_session& session,
                               const db_roles_arguments& what,
                               const std::string& command);

} // namespace millrace::cli
