#pragma once

#include "nodes/cli/db_backup.hpp"

#include <string>

namespace millrace::cli {

/// What `millrace db restore` got from the command line.
struct db_restore_arguments : backup_arguments {
  /// Database of the server that the others are renamed from.
  std::string maintenance = "postgres";

  /// Go on where Kafka does not have all records any more, and note what.
  bool accept_loss = false;

  /// Though the databases in place are of this backup already.
  bool again = false;

  /// For sessions of the old database to end; a duration.
  std::string patience = "1m";

  // Other things that the command does.
  bool list_old = false;
  std::string drop_old;
};

/// Puts the databases of a backup in the place of those of the configuration
/// (protocol.md, rule 27), or looks after those that a restore has replaced.
exit_code run_db_restore(const db_restore_arguments& what, console& to);

} // namespace millrace::cli
