// How a restored database takes the place of the one that is there.

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "config/values.hpp"
#include "nodes/cli/restore_server.hpp"

#include <atomic>
#include <stop_token>
#include <thread>
#include <utility>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;
using swap_clock = std::chrono::steady_clock;

constexpr auto look_interval = 50ms;

/// Somebody is in the database, or holds its lock.
bool is_busy(const store_error& x) {
  return x.sqlstate == "55006" || x.sqlstate == "55P03";
}

/// Ends the sessions of a database again and again while it lives.
class session_ender {
public:
  session_ender(connection conn, std::string number)
    : conn_{std::move(conn)},
      number_{std::move(number)},
      thread_{[this](const std::stop_token& over) { work(over); }} {
  }

  /// How many were there at the last look; -1: it could not look.
  int left() const noexcept {
    return left_;
  }

private:
  void work(const std::stop_token& over) {
    while (!over.stop_requested() && conn_.is_open()) {
      auto found = conn_.query("SELECT pid FROM pg_stat_activity WHERE datid = "
                               "$1::oid",
                               {number_});
      left_ = found ? static_cast<int>(found->rows.size()) : -1;
      // One by one: a session that is not ours to end must not save the rest.
      if (found)
        for (const auto& row : found->rows)
          static_cast<void>(
            conn_.query("SELECT pg_terminate_backend($1::int)", {row[0]}));
      std::this_thread::sleep_for(look_interval);
    }
  }

  connection conn_;
  std::string number_;
  std::atomic<int> left_ = -1;
  std::jthread thread_;
};

} // namespace

/// Renaming takes the lock that a session needs to come in, and fails while
/// one is in.
store_result<void> restore_server::exchange(const std::string& old,
                                            bool replaces, restore_mark mark) {
  return conn_.in_transaction([&]() -> store_result<void> {
    std::vector<std::string> statements;
    auto live = quote_identifier(database_);
    if (replaces) {
      auto kept = mark;
      kept.role = restore_role::replaced;
      statements = {
        "ALTER DATABASE " + live + " RENAME TO " + quote_identifier(old),
        "ALTER DATABASE " + quote_identifier(old) + " ALLOW_CONNECTIONS false",
        mark_statement(old, kept)};
    }
    mark.role = restore_role::restored;
    statements.push_back("ALTER DATABASE " + quote_identifier(new_)
                         + " RENAME TO " + live);
    statements.push_back(mark_statement(database_, mark));
    for (const auto& sql : statements)
      if (auto done = conn_.run(sql); !done)
        return done;
    return {};
  });
}

/// After a COMMIT whose answer did not come.
bool restore_server::was_swapped(const uuid& set) {
  auto conn = connection::open(session_of(maintenance_));
  if (!conn)
    return false;
  conn_ = std::move(*conn);
  auto state = look();
  return state && state->live && state->live->role == restore_role::restored
         && state->live->set == set;
}

admin_result<std::string>
restore_server::swap(restore_mark mark, std::chrono::milliseconds patience) {
  auto number = number_of(database_);
  if (!number)
    return std::unexpected{number.error()};
  auto old = *number ? replaced_name(database_, mark.at) : std::string{};
  std::optional<session_ender> ender;
  if (*number) {
    auto conn = connection::open(session_of(maintenance_));
    if (!conn)
      return admin_fail(conn.error());
    ender.emplace(std::move(*conn), **number);
  }
  store_result<void> done;
  for (auto until = swap_clock::now() + patience;;) {
    done = exchange(old, number->has_value(), mark);
    if (done || !is_busy(done.error()) || swap_clock::now() >= until)
      break;
    std::this_thread::sleep_for(look_interval);
  }
  if (done)
    return old;
  if (!conn_.is_open()) {
    if (was_swapped(mark.set))
      return old;
    return admin_fail(exit_code::unreachable,
                      "the connection broke while the databases were swapped: "
                        + done.error().message
                        + "; run the command again, it goes on where it "
                          "stands");
  }
  auto result = admin_fail(done.error());
  if (is_busy(done.error()) && ender && ender->left() > 0)
    result.error().all.push_back(make_error(
      "sessions in " + in_quotes(database_)
      + " cannot be ended: this needs the role pg_signal_backend, or a "
        "superuser's sessions are among them"));
  return result;
}

// -- what is left -------------------------------------------------------------

admin_result<std::vector<left_database>> restore_server::left() {
  auto found = conn_.query("SELECT datname, pg_database_size(oid), "
                           "shobj_description(oid, 'pg_database') FROM "
                           "pg_database WHERE datname <> $1 ORDER BY datname",
                           {database_});
  if (!found)
    return admin_fail(found.error());
  std::vector<left_database> result;
  for (const auto& row : found->rows) {
    auto mark = parse_comment(row[2].value_or(""));
    if (mark && mark->role != restore_role::restored
        && mark->database == database_)
      result.push_back({row[0].value_or(""), int_of(row[1]), *mark});
  }
  return result;
}

admin_result<void> restore_server::drop_left(const std::string& name) {
  return run("DROP DATABASE " + quote_identifier(name));
}

} // namespace millrace::cli
