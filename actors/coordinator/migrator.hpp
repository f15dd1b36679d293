#pragma once

#include "actors/coordinator/migration_session.hpp"

namespace millrace {

struct migration_report {
  /// Versions that this call applied, took back, or (`baseline`) wrote down.
  std::vector<int32_t> applied;
  std::vector<int32_t> undone;

  /// Names of the repeatable files that it applied.
  std::vector<std::string> repeated;
  std::chrono::milliseconds duration{0};
};

/// Brings schemas up to date and back, and writes down what was done in tables
/// of the schema itself (`history_tables`).
///
/// A file is one transaction, together with its row of the history, so it is
/// there as a whole or not at all, wherever a run ends. One that is marked
/// `no-transaction` is run by `step_runner`, and the next run goes on where it
/// stands. Files use unqualified names: the target schema is first in
/// search_path. Migrators at the same schema wait for each other, so two at
/// once apply every file once.
///
/// Errors are texts for people and say what to do, one problem a line. After an
/// error all files before the one that failed are applied.
class migrator {
public:
  /// Statements may take as long as they need: open the connection with
  /// `statement_timeout` and `transaction_timeout` 0. Lock waits are bounded,
  /// so that a waiting change of a table does not block its readers for long.
  explicit migrator(connection& conn, std::chrono::milliseconds lock_timeout
                                      = std::chrono::seconds{5});
  migrator(connection& conn, migrator_options options);

  connection& session() noexcept {
    return conn_;
  }

  /// What is applied and what would be. Changes nothing.
  std::expected<std::vector<migration_status>, std::string>
  status(const migration_set& set, const migration_target& target);

  /// Everything that is wrong, each with what to do. Changes nothing.
  std::expected<std::vector<std::string>, std::string>
  verify(const migration_set& set, const migration_target& target);

  /// What `run` would do, in order. Changes nothing.
  std::expected<std::vector<planned_migration>, std::string>
  plan(const migration_set& set, const migration_target& target,
       const migration_goal& goal);

  /// Does it. Refused, before anything is done, when something is wrong with
  /// the files or with what the schema's history says of them. Where `up` has
  /// nothing to do, no other migrator is waited for.
  std::expected<migration_report, std::string>
  run(const migration_set& set, const migration_target& target,
      const migration_goal& goal);

  /// Applies what is missing.
  std::expected<migration_report, std::string>
  up(const migration_set& set, const migration_target& target);

  /// Makes the schema and its history, and registers the tenant.
  std::expected<void, std::string> init(const migration_target& target);

  /// What `init` would run, a statement each, those that register the tenant
  /// among them; changes nothing.
  std::expected<std::vector<std::string>, std::string>
  plan_init(const migration_target& target);

  /// Writes down, without running anything, that the files up to `version` are
  /// applied: for schemas that had their tables before they had Millrace.
  std::expected<migration_report, std::string>
  baseline(const migration_set& set, const migration_target& target,
           int32_t version);

private:
  std::expected<void, std::string> prepare(migration_session& session,
                                           history_tables& history);

  /// Whether `up` would do something. Changes nothing.
  std::expected<bool, std::string> lacks(const migration_set& set,
                                         const migration_target& target);
  std::expected<migration_history, std::string>
  history_of(const migration_set& set, const migration_target& target);
  store_result<void> apply(migration_session& session, history_tables& history,
                           const migration_set& set,
                           const planned_migration& what);

  connection& conn_;
  migrator_options options_;
};

} // namespace millrace
