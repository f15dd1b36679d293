#pragma once

// Which database a tenant is in, and from where on (protocol.md, rule 25).

#include "actors/store/connection.hpp"
#include "config/config.hpp"
#include "nodes/prepare.hpp"

#include <expected>
#include <functional>
#include <vector>

namespace millrace {

/// Opens a session of another database, or says why that cannot be.
using database_opener
  = std::function<store_result<connection>(const postgresql_config&)>;

/// Notes under which name the database is known; a failure when it is known
/// under another one already.
std::expected<void, prepare_failure>
check_identity(connection& conn, const postgresql_config& database);

/// For the control database: records the homes of tenants in other databases
/// when a pipeline starts for the first time; later only `millrace lanes
/// change` does. Adds what is recorded about where tenants begin to
/// `share_starts`.
std::expected<void, prepare_failure>
settle_homes(connection& control, const config& all,
             std::vector<prepared_pipeline>& pipelines);

/// For another database: fetches what the control database recorded for its
/// tenants that have no lanes yet. Passing failure while it has not.
std::expected<void, prepare_failure>
fetch_homes(connection& conn, const config& all,
            const postgresql_config& database,
            const std::vector<prepared_pipeline>& pipelines,
            const database_opener& open);

} // namespace millrace
