#pragma once

#include "actors/coordinator/migrator.hpp"

#include <cstdint>
#include <expected>
#include <string>

namespace millrace {

/// Applies what the job's schema lacks and logs it; how many files that were.
/// Where it lacks nothing, nothing is locked and nobody is waited for: another
/// migrator may be at work in the schema for long.
std::expected<int64_t, std::string> bring_up(migrator& worker,
                                             const migration_job& job);

} // namespace millrace
