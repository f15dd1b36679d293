#pragma once

// What the commands below `millrace migrate` print. Pure.

#include "actors/cluster/json_writer.hpp"
#include "actors/coordinator/migrator.hpp"
#include "actors/coordinator/schema_drift.hpp"

namespace millrace::cli {

/// One line per migration, and how many there are of each kind. `title` says
/// what and where.
std::string status_text(std::string_view title,
                        const std::vector<migration_status>& all);

/// `title: applied 1, 2; repeated views in 3 ms`, or `idle` when nothing was
/// done.
std::string report_text(std::string_view title, const migration_report& x,
                        std::string_view idle);

/// Members of an object that say the same.
void write_report(json_writer& out, const migration_report& x);

/// A line for each.
std::string problem_lines(const std::vector<std::string>& all);

/// `place: as its migrations make it`, or how many differences there are, and
/// then each with what was expected and what was found.
std::string drift_text(std::string_view place,
                       const std::vector<schema_difference>& all);

} // namespace millrace::cli
