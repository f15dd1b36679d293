#pragma once

#include "actors/coordinator/migration_plan.hpp"
#include "nodes/cli/migrate_command.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// The tables of the schema into which the files insert by a statement of their
/// own, in the order of the files, each once. Pure.
std::vector<std::string> seeded_tables(const std::vector<migration>& files);

/// Applies what is missing, and writes the reference rows of the packs and of
/// `sets_beside` again, as this program has them. Tells of each table that was
/// written how many rows it has, and how many of them are new.
exit_code run_db_seed(const migrate_arguments& what, console& to);

} // namespace millrace::cli
