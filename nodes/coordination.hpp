#pragma once

#include "actors/cluster/supervisor.hpp"
#include "config/config.hpp"

namespace millrace {

/// COORDINATOR of one database, with what it has to do for the configuration.
child_spec coordinator_child(const config& all,
                             const postgresql_config& database);

} // namespace millrace
