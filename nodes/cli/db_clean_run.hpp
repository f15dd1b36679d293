#pragma once

#include "nodes/cli/db_clean.hpp"
#include "nodes/cli/db_clean_store.hpp"

#include <atomic>
#include <string>
#include <vector>

namespace millrace::cli {

/// What is done in one database, and what was.
struct database_clean {
  std::string database;
  std::vector<clean_step> steps;

  /// As many.
  std::vector<clean_done> done;
};

/// A line for each table that could be looked at.
std::string clean_done_text(const database_clean& x);

/// An array with an object per table.
std::string clean_done_json(const database_clean& x);

/// Does in one database what was planned, in the term of the node that
/// coordinates, or in one of its own where none does. Recorded in
/// `millrace.admin_action` before it begins.
class clean_run {
public:
  /// All of these outlive it. What is done is written into `work`.
  clean_run(const admin_session& session, const db_clean_arguments& what,
            database_clean& work, console& to, const std::atomic<bool>& stop);

  admin_result<void> run();

private:
  admin_result<void> under(const held_lease& lease, const admin_note& note);

  /// Waits for a node's go over the partitions.
  admin_result<void> take(partition_store& store) const;
  std::string object() const;
  admin_result<void> clean(connection& conn, const held_lease& lease,
                           partition_store& store);

  /// Each tenant's tables in one transaction.
  admin_result<void> truncate(cleaner& worker);

  const config& all_;
  const postgresql_config& database_;
  const db_clean_arguments& what_;
  database_clean& work_;
  console& to_;
  const std::atomic<bool>& stop_;
};

} // namespace millrace::cli
