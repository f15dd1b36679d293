#pragma once

#include "actors/coordinator/migration_lint.hpp"
#include "actors/coordinator/migration_rehearsal.hpp"
#include "nodes/cli/migrate_jobs.hpp"

namespace millrace::cli {

/// What a goal would do to one schema, measured beside its database where that
/// can be, with what the linter finds. Changes nothing.
std::expected<job_outcome, std::string>
dry_run(migrator& by, const migration_set& files, const migration_job& job,
        const postgresql_config& database, const migration_goal& goal);

/// What the linter finds in the files that a plan applies.
std::vector<lint_finding> lint(std::string_view set,
                               const std::vector<planned_migration>& plan);

/// `  orders/002_notes.sql:3: RULE: reason; way out`, a line each.
std::string findings_text(const std::vector<lint_finding>& all);

/// The same for `init`, which has no files.
std::expected<job_outcome, std::string>
dry_run_init(migrator& by, const migration_job& job,
             const postgresql_config& database);

} // namespace millrace::cli
