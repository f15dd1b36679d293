#pragma once

#include "actors/store/connection.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One file `NNN_words.sql`, taken apart.
struct migration {
  int32_t version = 0;

  /// The file's name without number and ending.
  std::string name;

  /// What its line `-- description:` says.
  std::string description;

  /// The sections `-- millrace:up` and `-- millrace:down`.
  std::string up;
  std::string down;

  /// SHA-256 of the whole file, lower-case hex.
  std::string checksum;
};

/// The files of one set: `control`, or a pack's.
struct migration_set {
  std::string name;

  /// By version, 1, 2, 3, … without gaps.
  std::vector<migration> files;
};

/// Takes one file apart. An error says which file and what is wrong with it.
std::expected<migration, std::string> parse_migration(std::string_view file,
                                                      std::string_view text);

/// The set that was built in. An error lists everything that is wrong.
std::expected<migration_set, std::string>
load_embedded_migrations(std::string_view set);

/// The set in a folder; files that do not end in `.sql` are ignored. A number
/// that is missing or there twice is an error that names the files.
std::expected<migration_set, std::string>
load_migrations(std::string_view set, const std::string& folder);

/// Where a set is applied.
struct migration_target {
  std::string schema;

  /// Registered in millrace.tenant when it is a tenant's schema.
  std::optional<std::string> tenant;
};

enum class migration_state : uint8_t {
  applied,
  pending,
  /// Applied, but the file has been edited since.
  edited,
  /// Applied, but there is no such file.
  unknown,
};

std::string to_string(migration_state x);

struct migration_status {
  int32_t version = 0;
  std::string name;
  std::string description;
  migration_state state = migration_state::pending;

  /// Where applied: as PostgreSQL prints it.
  std::string applied_at;
  std::string applied_by;
  int64_t execution_time_ms = 0;
};

struct migration_report {
  /// Versions that this call applied.
  std::vector<int32_t> applied;
  std::chrono::milliseconds duration{0};
};

/// Brings schemas up to date, one file per transaction, and writes down what
/// was done in the schema's own table `schema_migrations`.
///
/// Files use unqualified names: the target schema is first in search_path.
/// Migrators at the same schema wait for each other (a lock that ends with the
/// transaction), so two at once apply every file once.
///
/// Errors are texts for people and say what to do. After an error all files
/// before the one that failed are applied, and nothing of that one.
class migrator {
public:
  /// Statements may take as long as they need: open the connection with
  /// `statement_timeout` and `transaction_timeout` 0. Lock waits are bounded,
  /// so that a waiting change of a table does not block its readers for long.
  explicit migrator(connection& conn, std::chrono::milliseconds lock_timeout
                                      = std::chrono::seconds{5});

  /// What is applied and what would be. Changes nothing.
  std::expected<std::vector<migration_status>, std::string>
  status(const migration_set& set, const migration_target& target);

  /// Applies what is missing. Refused, before anything is done, when an
  /// applied file was edited or is gone.
  std::expected<migration_report, std::string>
  up(const migration_set& set, const migration_target& target);

private:
  std::expected<void, std::string> prepare(const migration_target& target);

  std::expected<bool, std::string> apply(const migration_set& set,
                                         const migration& file,
                                         const migration_target& target);

  connection& conn_;
  std::chrono::milliseconds lock_timeout_;
};

} // namespace millrace
