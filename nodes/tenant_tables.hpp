#pragma once

// What a pipeline makes of a tenant's tables, as they stand.

#include "actors/decode/program.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/write_plan.hpp"
#include "config/config.hpp"
#include "nodes/prepare_failure.hpp"

#include <expected>

namespace millrace {

/// Reads the columns of the tables that the pipeline writes for the tenant, and
/// compiles the mapping against them. One question per table. Blocks.
std::expected<program_ptr, prepare_failure>
compile_for(connection& conn, const pipeline_config& pipeline,
            const tenant_config& tenant);

/// How the rows of that mapping are written for the tenant.
write_plan_ptr plan_for(const config& all, const pipeline_config& pipeline,
                        const program& compiled, const tenant_config& tenant);

} // namespace millrace
