#pragma once

#include "nodes/cli/backup_folder.hpp"
#include "nodes/cli/child_program.hpp"
#include "nodes/cli/db_restore.hpp"
#include "nodes/cli/log_loss.hpp"
#include "nodes/cli/restore_plan.hpp"
#include "nodes/cli/restore_server.hpp"

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

namespace millrace::cli {

/// For a session that is closed to count as one of its database no more.
inline constexpr std::chrono::seconds leaving_patience{30};

/// A database that was put in place, or is there already.
struct restored_database {
  std::string name;
  std::string database;

  /// The name of the one that was there; empty: there was none.
  std::string old;
  int64_t rows = 0;
  int64_t lanes = 0;

  /// When it came there, of one that an earlier command has restored; RFC 3339.
  std::string since = {};
};

struct restore_outcome {
  uuid incarnation;
  std::vector<restored_database> databases;

  /// What was accepted as lost.
  std::vector<log_loss> lost;
};

/// One restore, of all databases of a backup. The databases in place are not
/// touched before each of the new ones is filled, verified, and prepared; then
/// they are replaced one after the other, the control database first. Until the
/// first of them is, ending at any point changes nothing. After that the same
/// command goes on.
class restore_run {
public:
  restore_run(const db_restore_arguments& what, const config& all,
              std::chrono::milliseconds patience, console& to,
              const std::stop_token& stop);

  admin_result<restore_outcome> run();

private:
  struct site {
    const backup_database* kept;
    restore_server server;
    restore_step step = restore_step::fill;

    /// When the one in place was restored; empty: it was not.
    std::string since = {};
  };

  admin_result<void> open_sites();
  admin_result<void> check_others(const backup_database& x);
  admin_result<void> go();
  admin_result<void> plan();
  admin_result<void> check_site(site& x);
  admin_result<void> check_logs(const site& x, const database_facts& facts);
  admin_result<void> ask_user();
  admin_result<void> fill(site& x);
  admin_result<void> load(site& x, connection& conn);
  admin_result<void> verify(site& x, connection& conn);
  admin_result<void> begin_incarnation(site& x);
  admin_result<int64_t> replaced_version(site& x, const std::string& pipeline);
  admin_result<void> swap(site& x);
  restored_database result_of(const site& x) const;
  findings how_it_stands() const;
  restore_mark mark(restore_role role, const site& x) const;
  void step(std::string_view name, const site& x) const;

  const db_restore_arguments& what_;
  const config& all_;
  std::chrono::milliseconds patience_;
  std::chrono::milliseconds swap_patience_{};
  console& to_;
  const std::stop_token& stop_;
  std::string at_;
  read_backup backup_;
  std::vector<site> sites_;
  server_program program_;
  bool resumed_ = false;
  bool complete_ = false;
  uuid set_;
  restore_outcome outcome_;
};

} // namespace millrace::cli
