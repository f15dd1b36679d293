#include "nodes/cli/partitions_hand.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/coordinator/hand_term.hpp"
#include "actors/store/admin_action.hpp"
#include "config/values.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <thread>
#include <utility>

namespace millrace::cli {

namespace {

void write_changes(json_writer& out, const table_done& x) {
  auto names = [&out](const char* key, const std::vector<std::string>& all) {
    out.key(key).begin_array();
    for (const auto& name : all)
      out.string(name);
    out.end_array();
  };
  names("made", x.made);
  names("dropped", x.dropped);
  names("archived", x.archived);
}

} // namespace

hand_round::hand_round(const config& all, const postgresql_config& database,
                       std::vector<partition_policy> policies, admin_note note,
                       console& to, const std::atomic<bool>& stop,
                       std::optional<std::chrono::milliseconds> older_than)
  : all_{all},
    database_{database},
    policies_{std::move(policies)},
    note_{std::move(note)},
    to_{to},
    stop_{stop},
    older_than_{older_than} {
  for (const auto& x : policies_)
    tables_.push_back({x, {}, {}, {}, {}});
}

admin_result<void> hand_round::run() {
  if (policies_.empty())
    return {};
  auto timing = timing_for(all_.coordinator.lease);
  by_ = note_.command + " of " + note_.os_user + " on " + note_.host;
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
  auto done = go(*conn, lease);
  auto result = end_of(done, *conn);
  if (conn->is_open()) {
    end_records(*conn);
  } else if (auto other = connection::open(settings)) {
    // What was done before the session broke was done.
    end_records(*other);
  }
  if (result && !unrecorded_.empty())
    return admin_fail(exit_code::failed,
                      "what was done is not in millrace.admin_action: "
                        + unrecorded_);
  return result;
}

task_result hand_round::go(connection& conn, const held_lease& lease) {
  round_config config;
  config.lock_timeout = partition_lock_timeout(database_);
  config.by = by_;
  config.before = [&](const partition_policy& policy) {
    return begin_record(conn, done_to(policy));
  };
  config.did = [&](const partition_policy& policy, std::string_view verb,
                   const std::string& name) {
    auto& x = done_to(policy);
    auto& names = verb == partition_made       ? x.made
                  : verb == partition_archived ? x.archived
                                               : x.dropped;
    names.push_back(name);
    // At once: whatever comes next, it says what was done.
    end_record(conn, x);
    if (!to_.json())
      to_.note(std::format("{}: {} {}", to_string(policy), verb, name));
  };
  config.saw = [&](const partition_policy& policy, const table_round& x) {
    done_to(policy).reach = x.reach;
  };
  using clock = std::chrono::steady_clock;
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

store_result<void> hand_round::begin_record(connection& conn, table_done& x) {
  if (!recorded_ || x.action != 0)
    return {};
  json_writer asked;
  asked.begin_object();
  if (older_than_)
    asked.key("older_than_ms").integer(older_than_->count());
  asked.end_object();
  auto id = begin_action(conn, note_, to_string(x.policy), asked.str());
  if (!id) {
    id.error().message = "cannot be noted in millrace.admin_action: "
                         + id.error().message;
    return std::unexpected{std::move(id.error())};
  }
  x.action = *id;
  return {};
}

void hand_round::end_record(connection& conn, table_done& x) {
  if (x.action == 0)
    return;
  json_writer did;
  did.begin_object();
  write_changes(did, x);
  did.end_object();
  auto done = end_action(conn, x.action, did.str());
  x.told = done.has_value();
  if (!done)
    unrecorded_ = done.error().message;
}

/// Of those whose rows do not say it yet, however the go ended.
void hand_round::end_records(connection& conn) {
  unrecorded_.clear();
  for (auto& x : tables_)
    if (!x.told)
      end_record(conn, x);
}

admin_result<void> hand_round::end_of(const task_result& x,
                                      const connection& conn) const {
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
  return admin_fail(conn.is_open() ? exit_code::failed : exit_code::unreachable,
                    text);
}

table_done& hand_round::done_to(const partition_policy& policy) {
  return *std::ranges::find_if(tables_, [&](const table_done& x) {
    return x.policy.schema == policy.schema && x.policy.table == policy.table;
  });
}

std::string done_text(const table_done& x) {
  auto done = x.made.empty() && x.dropped.empty()
                ? std::string{"nothing to do"}
                : std::format("{} made, {} dropped", x.made.size(),
                              x.dropped.size());
  auto ahead = x.reach ? std::format("; {} of {} ahead", x.reach->ahead,
                                     x.reach->wanted)
                       : std::string{};
  return std::format("{}: {}{}\n", printable(to_string(x.policy)), done, ahead);
}

void write_done(json_writer& out, const table_done& x,
                const std::string& database) {
  out.begin_object();
  out.key("pipeline").string(x.policy.pipeline);
  out.key("tenant").string(x.policy.tenant);
  out.key("database").string(database);
  out.key("schema").string(x.policy.schema);
  out.key("table").string(x.policy.table);
  write_changes(out, x);
  if (x.reach) {
    out.key("ahead").integer(x.reach->ahead);
    out.key("ahead_declared").integer(x.reach->wanted);
  }
  out.end_object();
}

} // namespace millrace::cli
