#pragma once

// A go over partitions that somebody starts by hand.

#include "actors/coordinator/partition_round.hpp"
#include "nodes/cli/lanes_session.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace millrace {
class json_writer;
}

namespace millrace::cli {

/// How long another session's go is waited for: a node's takes no longer unless
/// locks are held.
inline constexpr std::chrono::milliseconds busy_patience{30'000};
inline constexpr std::chrono::milliseconds busy_pause{200};

/// What was done to a table.
struct table_done {
  partition_policy policy;
  std::vector<std::string> made;
  std::vector<std::string> dropped;

  /// Manifests.
  std::vector<std::string> archived;

  /// Nothing when it could not be read.
  std::optional<partition_reach> reach;

  /// Its row in `millrace.admin_action`; 0: there is none.
  int64_t action = 0;

  /// Whether that row says what was done.
  bool told = false;
};

/// One line.
std::string done_text(const table_done& x);

void write_done(json_writer& out, const table_done& x,
                const std::string& database);

/// A go over tables of one database, in the term of the node that coordinates,
/// or in one of its own where none does. Tells what it does on standard error.
class hand_round {
public:
  /// `note` says whose term it is. What is given outlives this. With
  /// `older_than` it is an archive of what is older, else all that the policies
  /// declare.
  hand_round(const config& all, const postgresql_config& database,
             std::vector<partition_policy> policies, admin_note note,
             console& to, const std::atomic<bool>& stop,
             std::optional<std::chrono::milliseconds> older_than = {});

  /// Leaves a row in `millrace.admin_action` for each table that is changed,
  /// before its first partition is; without it the table stays as it is.
  void keep_record() noexcept {
    recorded_ = true;
  }

  /// In the order of the policies.
  const std::vector<table_done>& tables() const noexcept {
    return tables_;
  }

  admin_result<void> run();

private:
  task_result go(connection& conn, const held_lease& lease);
  store_result<void> begin_record(connection& conn, table_done& x);
  void end_record(connection& conn, table_done& x);
  void end_records(connection& conn);
  admin_result<void> end_of(const task_result& x, const connection& conn) const;
  table_done& done_to(const partition_policy& policy);

  const config& all_;
  const postgresql_config& database_;
  std::vector<partition_policy> policies_;
  admin_note note_;
  console& to_;
  const std::atomic<bool>& stop_;
  std::optional<std::chrono::milliseconds> older_than_;
  std::string by_;
  std::vector<table_done> tables_;
  bool recorded_ = false;

  /// Why a row does not say what was done; empty: all do.
  std::string unrecorded_;
};

} // namespace millrace::cli
