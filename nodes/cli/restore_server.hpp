#pragma once

#include "actors/store/backup_facts.hpp"
#include "nodes/cli/lanes_session.hpp"
#include "nodes/cli/restore_plan.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

/// A database that a restore has replaced, or a copy that is not in place.
struct left_database {
  std::string name;
  int64_t bytes = 0;
  restore_mark mark;
};

/// What keeps the mark with the database.
std::string mark_statement(const std::string& database,
                           const restore_mark& mark);

/// The server of one database of the configuration, seen from another database
/// of it: what a restore does to databases as a whole.
class restore_server {
public:
  /// Connects to `maintenance`, a database that nobody replaces.
  static admin_result<restore_server> open(const postgresql_config& database,
                                           const std::string& maintenance,
                                           std::chrono::milliseconds patience);

  /// The name of the database that the configuration leads to.
  const std::string& database() const noexcept {
    return database_;
  }

  /// For example 170005.
  int32_t version() const noexcept {
    return conn_.server_version();
  }

  /// Fails when another restore of the database is under way, whichever
  /// database of the server it works from. The lock is the session's.
  admin_result<void> lock();

  admin_result<restore_state> look();

  /// Whether there is a database of that name.
  admin_result<bool> exists();

  /// Roles that the backup speaks of and the server does not have.
  admin_result<std::vector<std::string>>
  missing_roles(const kept_properties& x);

  /// Makes an empty one like that which was kept, in place of one that a
  /// restore before has left. Refused when it is not a restore's.
  admin_result<void> make_new(const kept_properties& x,
                              const restore_mark& mark);

  /// Gives the new one its settings and grants; it is verified then.
  admin_result<void> complete_new(const kept_properties& x,
                                  const restore_mark& mark);

  void drop_new();

  /// A session in the new one; work in it takes as long as it needs.
  admin_result<connection> enter_new() const;

  /// A session in the one in place.
  admin_result<connection> enter() const;

  /// Puts the new one in place of the one that is there, which stays under the
  /// name that is returned and takes no sessions; empty where there was none.
  /// One transaction. Sessions in the old one are ended, those that come
  /// meanwhile too; no session ever moves from one to the other.
  admin_result<std::string> swap(restore_mark mark,
                                 std::chrono::milliseconds patience);

  /// The name of the copy until it is in place.
  const std::string& copy() const noexcept {
    return new_;
  }

  /// What restores of the database have left beside it, by name.
  admin_result<std::vector<left_database>> left();

  admin_result<void> drop_left(const std::string& name);

private:
  restore_server(const postgresql_config& config, session_config session,
                 std::string database, std::string maintenance,
                 connection conn);

  session_config session_of(const std::string& database) const;
  admin_result<std::optional<std::string>> number_of(const std::string& name);
  admin_result<void> run(const std::string& sql);
  admin_result<void> check_leftover(const std::string& name);
  store_result<void> exchange(const std::string& old, bool replaces,
                              restore_mark mark);
  bool was_swapped(const uuid& set);

  const postgresql_config* config_;
  session_config session_;
  std::string database_;
  std::string maintenance_;
  std::string new_;
  connection conn_;
};

} // namespace millrace::cli
