#pragma once

#include "actors/coordinator/migration_history.hpp"

#include <functional>

namespace millrace {

/// What a long statement says of itself (pg_stat_progress_*).
struct work_progress {
  /// Such as "building index: scanning table".
  std::string phase;

  /// Blocks, tuples or lockers; 0 of 0 where it does not say.
  int64_t done = 0;
  int64_t total = 0;

  /// The backend that it waits for; 0: for none.
  int32_t waits_for = 0;
};

struct migrator_options {
  /// How long a statement waits for its locks before it lets others through
  /// and tries again.
  std::chrono::milliseconds lock_timeout{5'000};

  /// Attempts at locks that others hold.
  int max_attempts = 10;

  /// How long another migrator of the same schema is waited for.
  std::chrono::milliseconds migrator_wait{600'000};

  /// Looked at while others are waited for, when not empty; true ends the run.
  std::function<bool()> stop = {};

  /// First in each transaction, and before each statement outside of one; its
  /// error ends them.
  std::function<store_result<void>(connection&)> guard = {};

  /// Hears what is done, in lines for people, when not empty.
  std::function<void(const std::string&)> tell = {};

  /// Makes the second session that looks how far the first one is. Without it
  /// `progress` hears nothing.
  std::function<store_result<connection>()> open_watch = {};
  std::function<void(const work_progress&)> progress = {};
};

/// How migrations use a connection: settings, bounded waits for locks, and the
/// lock that keeps migrators of a schema apart.
class migration_session {
public:
  migration_session(connection& conn, migration_target target,
                    const migrator_options& options);
  ~migration_session();
  migration_session(const migration_session&) = delete;
  migration_session& operator=(const migration_session&) = delete;

  connection& conn() noexcept {
    return conn_;
  }

  const migration_target& target() const noexcept {
    return target_;
  }

  void tell(const std::string& text) const;

  /// What `options.guard` says; within a transaction.
  store_result<void> guard();

  /// Waits for other migrators of the schema. The lock belongs to the session,
  /// so it ends with this object or with the connection. It is asked for time
  /// and again: CREATE INDEX CONCURRENTLY waits for everybody who is in the
  /// middle of a statement, also for one that waits for its migrator.
  store_result<void> lock();

  /// Runs `body` in a transaction, with the target's search path and a short
  /// lock_timeout, while no flush of the tenant is between two of its tables
  /// (rule 26). Again with a growing pause when others held its locks.
  store_result<void> transaction(std::function<store_result<void>()> body);

  /// Runs one statement outside of a transaction, and tells how far it is.
  /// Nothing: it waits for its locks as long as it takes.
  store_result<void>
  outside(const std::string& statement,
          std::optional<std::chrono::milliseconds> lock_timeout);

  /// Runs `once` again, with a growing pause, while it meets locks that others
  /// hold.
  store_result<void> retry(std::function<store_result<void>()> once);

  const migrator_options& options() const noexcept {
    return options_;
  }

private:
  bool is_told_to_stop() const;

  connection& conn_;
  migration_target target_;
  const migrator_options& options_;
  bool locked_ = false;
};

/// For people: the message and its SQLSTATE.
std::string text_of_error(const store_error& x);

} // namespace millrace
