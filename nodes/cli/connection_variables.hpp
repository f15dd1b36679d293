#pragma once

// Where PostgreSQL is, as the scripts around other tools say it. Pure.

#include "config/config.hpp"

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

/// The value of a variable of the environment; nothing when it is not set, or
/// empty.
using variable_lookup
  = std::function<std::optional<std::string>(const std::string&)>;

/// That of this process.
std::optional<std::string> variable_of_process(const std::string& name);

/// Whether the environment says it by parts: DB_HOST or DB_NAME is set.
bool has_connection_variables(const variable_lookup& get);

/// By DB_HOST (localhost), DB_PORT (5432), DB_NAME, DB_USER and DB_PASSWORD
/// (libpq's), and DB_SSLMODE, which may also be called DB_SSL_MODE. Or all that
/// is wrong, a sentence each, without the password.
std::expected<postgresql_config, std::vector<std::string>>
read_connection_variables(const variable_lookup& get);

} // namespace millrace::cli
