#pragma once

// Whether a schema is what its migrations make: they are run again, from their
// files, in a scratch database.

#include "actors/coordinator/schema_drift.hpp"
#include "actors/coordinator/scratch_database.hpp"

namespace millrace {

/// What a schema holds: tables, columns, constraints, indexes, triggers,
/// policies, views, sequences, functions and types. Not partitions, which come
/// and go, nor those that are being removed; not what belongs to an extension;
/// not the tables of the history. Nothing where there is no such schema.
store_result<std::vector<schema_object>>
read_schema_objects(connection& conn, const std::string& schema);

struct schema_check {
  std::vector<schema_difference> differences;

  /// Not what differs, but what has to be known of it: sets whose files are
  /// nowhere, a scratch database that is left.
  std::vector<std::string> problems;
};

/// Compares the target's schema with what all sets make that its history says
/// are applied. Needs the right to create databases. Changes nothing in
/// `conn`'s. An error says why it could not be compared, with what to do.
std::expected<schema_check, std::string>
check_schema(connection& conn, const database_opener& open,
             const migration_set& set, const migration_target& target,
             const set_finder& find);

} // namespace millrace
