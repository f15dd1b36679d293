#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::cli {

/// What `millrace db backup`, `backups` and `restore` got from the command
/// line.
struct backup_arguments : admin_arguments {
  /// Of the backup; empty: the time.
  std::string name;

  /// Where backups are.
  std::string folder = "backups";

  /// Where pg_dump and pg_restore are; empty: looked for.
  std::string pg_bin;

  /// Tables that are copied at the same time.
  int32_t jobs = 4;

  /// `backups`: delete those that are older; a duration.
  std::string delete_older_than;

  /// Told of each step before it begins; for tests.
  std::function<void(std::string_view)> on_step = [](std::string_view) {};
};

/// Copies the databases of the configuration, each as of one moment.
exit_code run_db_backup(const backup_arguments& what, console& to);

/// Every backup of the folder; or deletes old ones.
exit_code run_db_backups(const backup_arguments& what, console& to);

/// Deletes those of the folder that are older, but never the newest one that is
/// whole: tells which, and asks.
exit_code delete_old_backups(const backup_arguments& what, console& to);

} // namespace millrace::cli
