// `millrace partitions run`, and what `archive` has in common with it.

#include "actors/cluster/json_writer.hpp"
#include "actors/coordinator/hand_term.hpp"
#include "actors/coordinator/partition_round.hpp"
#include "config/values.hpp"
#include "nodes/cli/partitions_tables.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <format>
#include <map>
#include <stop_token>
#include <thread>
#include <utility>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// A node's go takes no longer unless locks are held.
constexpr auto busy_patience = 30s;
constexpr auto busy_pause = 200ms;

/// What was done to a table.
struct table_done {
  partition_policy policy;
  std::vector<std::string> made;
  std::vector<std::string> dropped;

  /// Manifests.
  std::vector<std::string> archived;

  /// Nothing when it could not be read.
  std::optional<partition_reach> reach;
};

/// A go over the tables of one database.
class hand_round {
public:
  hand_round(const admin_session& session, const partitions_arguments& what,
             console& to, const std::atomic<bool>& stop,
             std::optional<std::chrono::milliseconds> older_than)
    : all_{*session.all},
      database_{*find_database(all_, session.database)},
      policies_{wanted_tables(session, what)},
      what_{what},
      to_{to},
      stop_{stop},
      older_than_{older_than} {
    for (const auto& x : policies_)
      tables_.push_back({x, {}, {}, {}, {}});
  }

  /// In the order of the configuration.
  const std::vector<table_done>& tables() const noexcept {
    return tables_;
  }

  admin_result<void> run() {
    if (policies_.empty())
      return {};
    auto timing = timing_for(all_.coordinator.lease);
    auto who = note_of(what_, {});
    by_ = std::string{older_than_ ? "partitions archive" : "partitions run"}
          + " of " + who.os_user + " on " + who.host;
    auto term = hand_term::begin(lease_session(database_, timing.term), by_,
                                 timing);
    if (!term)
      return admin_fail(term.error());
    const auto& lease = (*term)->lease();
    if (!(*term)->coordinator().empty() && !to_.json())
      to_.note("node " + (*term)->coordinator()
               + " coordinates; this is done in its term");
    auto settings = task_session(database_);
    settings.application_name = coordinator_session_name(lease.term().epoch);
    auto conn = connection::open(settings);
    if (!conn)
      return admin_fail(conn.error());
    return end_of(go(*conn, lease), *conn);
  }

private:
  task_result go(connection& conn, const held_lease& lease) {
    round_config config;
    config.lock_timeout = partition_lock_timeout(database_);
    config.by = by_;
    config.did = [this](const partition_policy& policy, std::string_view verb,
                        const std::string& name) {
      auto& x = done_to(policy);
      auto& names = verb == partition_made       ? x.made
                    : verb == partition_archived ? x.archived
                                                 : x.dropped;
      names.push_back(name);
      if (!to_.json())
        to_.note(std::format("{}: {} {}", to_string(policy), verb, name));
    };
    config.saw = [this](const partition_policy& policy, const table_round& x) {
      done_to(policy).reach = x.reach;
    };
    auto until = clock::now() + busy_patience;
    for (;;) {
      auto result = older_than_
                      ? archive_partitions(conn, lease, stop_, policies_,
                                           *older_than_, config)
                      : roll_partitions(conn, lease, stop_, policies_, config);
      if (result.failure != partitions_busy || stop_ || clock::now() > until)
        return result;
      std::this_thread::sleep_for(busy_pause);
    }
  }

  admin_result<void> end_of(const task_result& x, const connection& conn) {
    if (stop_)
      return admin_fail(exit_code::failed,
                        "stopped; what was done stays as it is");
    if (x.failure.empty())
      return {};
    auto text = x.failure;
    if (text.contains(lease_over_state) || text == lease_in_doubt)
      text += "; another node coordinates now: run it again";
    else if (x.passing)
      text += "; run it again, or leave it to the node that coordinates";
    return admin_fail(
      conn.is_open() ? exit_code::failed : exit_code::unreachable, text);
  }

  table_done& done_to(const partition_policy& policy) {
    return *std::ranges::find_if(tables_, [&](const table_done& x) {
      return x.policy.schema == policy.schema && x.policy.table == policy.table;
    });
  }

  const config& all_;
  const postgresql_config& database_;
  std::vector<partition_policy> policies_;
  const partitions_arguments& what_;
  console& to_;
  const std::atomic<bool>& stop_;
  std::optional<std::chrono::milliseconds> older_than_;
  std::string by_;
  std::vector<table_done> tables_;
};

std::string text_of(const table_done& x) {
  auto done = x.made.empty() && x.dropped.empty()
                ? std::string{"nothing to do"}
                : std::format("{} made, {} dropped", x.made.size(),
                              x.dropped.size());
  auto ahead = x.reach ? std::format("; {} of {} ahead", x.reach->ahead,
                                     x.reach->wanted)
                       : std::string{};
  return std::format("{}: {}{}\n", printable(to_string(x.policy)), done, ahead);
}

void write(json_writer& out, const table_done& x, const std::string& database) {
  auto names = [&out](const char* key, const std::vector<std::string>& all) {
    out.key(key).begin_array();
    for (const auto& name : all)
      out.string(name);
    out.end_array();
  };
  out.begin_object();
  out.key("pipeline").string(x.policy.pipeline);
  out.key("tenant").string(x.policy.tenant);
  out.key("database").string(database);
  out.key("schema").string(x.policy.schema);
  out.key("table").string(x.policy.table);
  names("made", x.made);
  names("dropped", x.dropped);
  names("archived", x.archived);
  if (x.reach) {
    out.key("ahead").integer(x.reach->ahead);
    out.key("ahead_declared").integer(x.reach->wanted);
  }
  out.end_object();
}

} // namespace

exit_code run_partitions_run(const partitions_arguments& what, console& to) {
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  if (auto some = check_tables(*sessions->open.front().all, what); !some)
    return tell(some.error(), to);
  return run_rounds(what, to, *sessions, {});
}

exit_code run_rounds(const partitions_arguments& what, console& to,
                     admin_sessions& sessions,
                     std::optional<std::chrono::milliseconds> older_than) {
  signal_stop signals;
  std::atomic<bool> stop = false;
  std::stop_callback on_signal{signals.token(), [&stop] { stop = true; }};
  auto code = exit_code::ok;
  findings failures;
  auto fail = [&](const admin_failure& x) {
    failures.insert(failures.end(), x.all.begin(), x.all.end());
    code = x.code;
  };
  json_writer out;
  out.begin_object();
  out.key("tables").begin_array();
  for (auto& session : sessions.open) {
    // What follows needs sessions of its own, and this one none.
    session.conn.close();
    hand_round round{session, what, to, stop, older_than};
    if (auto done = round.run(); !done)
      fail(done.error());
    for (const auto& x : round.tables()) {
      write(out, x, session.database);
      if (!to.json() && x.reach)
        to.out(text_of(x));
    }
  }
  if (sessions.lacking)
    fail(*sessions.lacking);
  out.end_array();
  out.key("failures").begin_array();
  for (const auto& x : failures)
    out.string(x.text);
  out.end_array();
  out.end_object();
  if (to.json())
    to.out(std::move(out).str() + '\n');
  else
    to.tell(failures);
  return code;
}

} // namespace millrace::cli
