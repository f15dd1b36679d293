#pragma once

#include "actors/store/connection.hpp"

#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// The variables by which PostgreSQL's own programs (pg_dump, pg_restore) reach
/// the server and the database that the connection reached, as the same user.
/// May hold a password: for the environment of a child, never for a log or an
/// argument. Parameters that have no variable are left out.
std::vector<std::pair<std::string, std::string>>
program_environment(connection& conn);

/// The name of the database that the configuration leads to, without a session
/// there; empty when a URL cannot be read.
std::string database_name(const session_config& config);

} // namespace millrace
