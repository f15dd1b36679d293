#pragma once

// The one table of options, bound to the structs of config.hpp.

#include "config/config.hpp"
#include "config/reader.hpp"

#include <vector>

namespace millrace::schema {

const section<node_config>& node();
const section<listen_config>& admin();
const section<listen_config>& cluster();
const section<cluster_tls_config>& cluster_tls();
const section<cluster_node_config>& cluster_static();
const section<log_config>& log();
const section<postgresql_config>& postgresql();
const section<postgresql_config>& database();
const section<kafka_config>& kafka();
const section<redis_config>& redis();
const section<dead_letters_config>& dead_letters();
const section<waiting_config>& waiting();
const section<coordination_config>& coordinator();
const section<tenant_config>& tenant();
const section<pipeline_config>& pipeline();
const section<pipeline_limits>& limits();
const section<event_config>& event();
const section<write_config>& write();
const section<partition_config>& partition();
const section<series_config>& series();

/// Those that stand by themselves.
const section<migrations_config>& migrations();
const section<partition_config>& own_partition();

/// All of them, in the order of the documentation.
std::vector<const section_info*> all();

/// Names of the tables at the top of a file.
const std::vector<std::string>& roots();

} // namespace millrace::schema
