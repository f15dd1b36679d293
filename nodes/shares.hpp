#pragma once

// Which database takes which records of a pipeline. Pure.

#include "actors/decode/decoder.hpp"
#include "config/config.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace millrace {

/// The tenants of a database that a pipeline may write for. A constant one is
/// the only one.
std::vector<const tenant_config*> tenants_of(const config& all,
                                             const pipeline_config& pipeline,
                                             std::string_view database);

/// Whether the pipeline's topics are read for a database: it holds tenants of
/// it, or, as the control database, its `_unrouted`. That one stays empty, and
/// is not read for, where the tenant is a constant of another database.
bool is_read_for(const config& all, const pipeline_config& pipeline,
                 std::string_view database);

/// What of the pipeline is for the database; nothing when all is.
std::optional<record_share> share_of(const config& all,
                                     const pipeline_config& pipeline,
                                     std::string_view database);

} // namespace millrace
