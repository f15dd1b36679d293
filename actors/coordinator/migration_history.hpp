#pragma once

#include "actors/coordinator/migration_plan.hpp"
#include "actors/store/connection.hpp"

namespace millrace {

/// Where a set is applied.
struct migration_target {
  std::string schema;

  /// Registered in millrace.tenant when it is a tenant's schema.
  std::optional<std::string> tenant;

  friend bool operator==(const migration_target&, const migration_target&)
    = default;
};

/// One set of migrations and the schema it belongs into.
struct migration_job {
  std::string set;
  migration_target target;

  /// Where its files are; empty: in the program.
  std::string folder = {};

  friend bool operator==(const migration_job&, const migration_job&) = default;
};

/// The job's files. An error: there are none.
std::expected<migration_set, std::string> files_of(const migration_job& job);

/// A step of a file without a transaction, as the database knows it.
struct migration_step {
  /// From 1.
  int32_t step = 0;

  /// SHA-256 of the statement.
  std::string checksum;

  /// Begun only: what it made may be there, half of it, or nothing.
  bool done = false;
};

/// The tables of a schema that say what was applied: `schema_migrations`,
/// `schema_repeatables`, and `schema_migration_steps` for files that stand
/// half-way. The only place that knows their columns.
class history_tables {
public:
  history_tables(connection& conn, std::string schema);

  /// What they say of a set; nothing where they are missing. Changes nothing.
  store_result<migration_history> read(const std::string& set);

  /// The statements that make what is missing; none where all is there. Changes
  /// nothing. Refused when a table of that name is another tool's.
  store_result<std::vector<std::string>> missing();

  /// Makes the schema and the tables, and carries over those that an older
  /// Millrace has made. Refused when a table of that name is another tool's.
  store_result<void> prepare();

  /// Once applied, at the end of the same transaction.
  store_result<void> note_applied(const std::string& set, const migration& file,
                                  std::chrono::milliseconds took,
                                  bool baseline);
  store_result<void> note_undone(const std::string& set, const migration& file);

  store_result<std::vector<migration_step>>
  steps(const std::string& set, const migration& file,
        migration_direction direction);
  store_result<void> note_begun(const std::string& set, const migration& file,
                                migration_direction direction,
                                const migration_step& x);
  store_result<void> note_done(const std::string& set, const migration& file,
                               int32_t step);
  store_result<void> forget_steps(const std::string& set,
                                  const migration& file);

private:
  store_result<void> check_shape();

  connection& conn_;
  std::string schema_;
  std::string versions_;
  std::string repeatables_;
  std::string steps_;
};

} // namespace millrace
