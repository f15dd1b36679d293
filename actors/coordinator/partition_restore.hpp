#pragma once

#include "actors/coordinator/archive_manifest.hpp"
#include "actors/coordinator/partition_plan.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/lane_admin.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// An archive that is to be a table again.
struct restore_request {
  std::filesystem::path manifest;
  archive_manifest said;

  /// In the schema that the archive is of.
  std::string table;

  /// Whose partition it shall be; nothing: a table of its own.
  std::optional<partition_policy> parent;
};

/// Makes tables of archives. Blocks, for as long as the rows need.
///
/// One transaction each, so that there is the whole table or none. Where it
/// becomes a partition its parent is locked in the end alone, as for a new
/// partition; and it is held, so that the PARTITION ROLLER, for which it is too
/// old, leaves it where it is.
class partition_restore {
public:
  /// These outlive it. The session's statements may take as long as they need.
  partition_restore(connection& conn, const std::atomic<bool>& stop,
                    std::chrono::milliseconds lock_timeout);

  /// Everything that is wrong with the archive, and with it in this database,
  /// one sentence each. Reads the file to its end; changes nothing.
  store_result<std::vector<std::string>> check(const restore_request& x);

  /// After `check`. Rows that the table has.
  store_result<int64_t> restore(const restore_request& x,
                                const admin_note& note);

private:
  using sentences = std::vector<std::string>;

  store_result<void> check_names(const restore_request& x, sentences& to);
  store_result<void> check_types(const restore_request& x, sentences& to);
  store_result<void> check_parent(const restore_request& x, sentences& to);
  store_result<int64_t> fill(const restore_request& x);
  store_result<void> attach(const std::vector<std::string>& statements);
  store_result<void> note_hold(const restore_request& x,
                               const admin_note& note);

  connection& conn_;
  const std::atomic<bool>& stop_;
  std::chrono::milliseconds lock_timeout_;
};

/// Lets the policy of its table remove `schema.partition` again. False when it
/// was not held.
store_result<bool> release_partition(connection& conn, const std::string& name,
                                     const admin_note& note);

/// What is wrong with an archive's file: one sentence for each thing that is
/// not as the manifest says.
std::vector<std::string> check_archive(const std::filesystem::path& manifest,
                                       const archive_manifest& said,
                                       const std::atomic<bool>& stop);

/// How the columns of an archive and of a table differ, one sentence for each
/// column. Pure.
std::vector<std::string>
compare_columns(const std::vector<archived_column>& archive,
                const std::vector<archived_column>& table,
                const std::string& name);

} // namespace millrace
