#pragma once

#include "actors/coordinator/sql_script.hpp"

namespace millrace {

/// What of a statement acts on more than the database that it is run in, such
/// as "ALTER ROLE": on what all databases of the server share (roles and their
/// memberships, databases, tablespaces, settings, subscriptions), or on its
/// files and programs. Empty for all others, and for what hides in the body of
/// a DO block or of a function. Pure.
std::string server_act_of(const sql_statement& x);

} // namespace millrace
