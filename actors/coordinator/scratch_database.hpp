#pragma once

#include "actors/coordinator/migrator.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Opens a session in another database of the same server.
using database_opener
  = std::function<store_result<connection>(const std::string& database)>;

/// What became of a scratch database.
struct scratch_outcome {
  /// Why there is none, and nothing was done in it; empty: it was made.
  std::string not_made;

  /// It could not be dropped: its name, and why. Else empty.
  std::string left;
};

/// Makes an empty database beside that of `conn`, runs `body` with a session in
/// it, and drops it. One whose process is killed stays; its name begins with
/// `millrace_rehearsal_`, by which `millrace db doctor` knows it.
scratch_outcome
in_scratch_database(connection& conn, const database_opener& open,
                    const std::function<void(connection&)>& body);

/// Files that are run in a scratch database, and where.
struct applied_files {
  migration_set set;
  migration_target target;
};

/// The files of a set; an error where there are none.
using set_finder = std::function<std::expected<migration_set, std::string>(
  std::string_view set)>;

/// What a schema was made from.
struct applied_sets {
  /// In the order in which they came, a set that is new to the schema last;
  /// before a tenant's those of the control schema.
  std::vector<applied_files> files;

  /// Sets of the schema's history that `find` does not have.
  std::vector<std::string> unknown;
};

/// Reads from the schema's history what is applied: `set`, and all others of
/// the schema. Changes nothing.
std::expected<applied_sets, std::string>
read_applied_sets(connection& real, const migration_set& set,
                  const migration_target& target, const set_finder& find);

/// The first file of these that acts on more than its database, as the end of
/// a sentence: such must not be run for a try, as what it does to the server
/// would stay. Empty: none does.
std::string reaches_out(const std::vector<applied_files>& all);
std::string reaches_out(std::string_view set,
                        const std::vector<planned_migration>& plan);

/// Runs them in a scratch database.
std::expected<void, std::string>
catch_up(connection& stage, const std::vector<applied_files>& all);

} // namespace millrace
