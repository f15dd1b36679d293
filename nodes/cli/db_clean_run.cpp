#include "nodes/cli/db_clean_run.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/coordinator/hand_term.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_session.hpp"
#include "nodes/cli/partitions_hand.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <thread>
#include <utility>

namespace millrace::cli {

namespace {

/// Who does it, as leases and logs name him.
std::string by(const admin_note& note) {
  return "db clean of " + note.os_user + " on " + note.host;
}

} // namespace

std::string clean_done_text(const database_clean& x) {
  std::string result;
  for (std::size_t i = 0; i < x.steps.size(); ++i) {
    if (!x.steps[i].error.empty())
      continue;
    auto name = printable(to_string(x.steps[i].table));
    const auto& done = x.done[i];
    result += done.truncated
                ? name + ": emptied\n"
                : std::format("{}: {} rows deleted, {} partitions dropped\n",
                              name, done.deleted, done.dropped.size());
  }
  return result;
}

std::string clean_done_json(const database_clean& work) {
  json_writer out;
  out.begin_array();
  for (std::size_t i = 0; i < work.steps.size(); ++i) {
    const auto& x = work.done[i];
    out.begin_object();
    out.key("tenant").string(work.steps[i].table.tenant);
    out.key("schema").string(work.steps[i].table.schema);
    out.key("table").string(work.steps[i].table.table);
    out.key("truncated").boolean(x.truncated);
    out.key("deleted").integer(x.deleted);
    out.key("dropped").begin_array();
    for (const auto& name : x.dropped)
      out.string(name);
    out.end_array();
    out.end_object();
  }
  out.end_array();
  return std::move(out).str();
}

clean_run::clean_run(const admin_session& session,
                     const db_clean_arguments& what, database_clean& work,
                     console& to, const std::atomic<bool>& stop)
  : all_{*session.all},
    database_{*find_database(all_, session.database)},
    what_{what},
    work_{work},
    to_{to},
    stop_{stop} {
}

admin_result<void> clean_run::run() {
  if (std::ranges::all_of(work_.steps, &clean_step::is_nothing))
    return {};
  auto timing = timing_for(all_.coordinator.lease);
  auto note = casual_note_of(what_, "db clean");
  auto term = hand_term::begin(lease_session(database_, timing.term), by(note),
                               timing);
  if (!term)
    return admin_fail(term.error());
  return under((*term)->lease(), note);
}

admin_result<void> clean_run::under(const held_lease& lease,
                                    const admin_note& note) {
  auto settings = task_session(database_);
  settings.application_name = coordinator_session_name(lease.term().epoch);
  auto conn = connection::open(settings);
  if (!conn)
    return admin_fail(conn.error());
  partition_store store{*conn, lease, stop_, by(note)};
  if (auto mine = take(store); !mine)
    return mine;
  auto number = begin_action(*conn, note, object(),
                             clean_plan_json(work_.steps));
  if (!number)
    return admin_fail(number.error());
  auto done = clean(*conn, lease, store);
  auto noted = end_action(*conn, *number, clean_done_json(work_));
  if (!done)
    return done;
  if (!noted)
    return admin_fail(noted.error());
  return {};
}

admin_result<void> clean_run::take(partition_store& store) const {
  auto until = std::chrono::steady_clock::now() + busy_patience;
  for (;;) {
    auto mine = store.take(partition_lock_timeout(database_));
    if (!mine)
      return admin_fail(mine.error());
    if (*mine)
      return {};
    if (stop_ || std::chrono::steady_clock::now() > until)
      return admin_fail(exit_code::failed,
                        std::string{partitions_busy} + ": run it again");
    std::this_thread::sleep_for(busy_pause);
  }
}

std::string clean_run::object() const {
  auto words = what_.truncate ? std::string{"--truncate"} : std::string{};
  if (what_.older_than)
    words += std::format("--older-than {}", *what_.older_than);
  if (what_.drop_partitions_older_than)
    words += std::format("{}--drop-partitions-older-than {}",
                         words.empty() ? "" : " ",
                         *what_.drop_partitions_older_than);
  return words;
}

admin_result<void> clean_run::clean(connection& conn, const held_lease& lease,
                                    partition_store& store) {
  clean_config config{what_.batch, stop_, {}};
  if (is_watched(to_))
    config.did = [this](const clean_step& step, const clean_done& done) {
      to_.note(std::format("{}: {} rows deleted, {} of {} partitions dropped",
                           to_string(step.table), done.deleted,
                           done.dropped.size(), step.drops.size()));
    };
  cleaner worker{conn, lease, store, config};
  if (what_.truncate)
    return truncate(worker);
  findings failures;
  for (std::size_t i = 0; i < work_.steps.size() && !stop_; ++i) {
    const auto& step = work_.steps[i];
    auto done = worker.clean(step, work_.done[i]);
    if (!done)
      failures.push_back(
        make_error(to_string(step.table) + ": " + done.error().message));
    if (!conn.is_open())
      return std::unexpected{admin_failure{exit_code::unreachable, failures}};
  }
  if (stop_)
    return admin_fail(exit_code::failed,
                      "stopped; what was removed is gone, the rest is there");
  if (!failures.empty())
    return std::unexpected{admin_failure{exit_code::failed, failures}};
  return {};
}

admin_result<void> clean_run::truncate(cleaner& worker) {
  findings failures;
  std::vector<std::string> seen;
  for (const auto& x : work_.steps) {
    const auto& schema = x.table.schema;
    if (std::ranges::contains(seen, schema))
      continue;
    seen.push_back(schema);
    auto mine = work_.steps;
    std::erase_if(mine, [&](const clean_step& y) {
      return y.table.schema != schema || !y.truncate;
    });
    if (mine.empty())
      continue;
    auto done = worker.truncate(mine);
    if (!done)
      failures.push_back(make_error(schema + ": " + done.error().message));
    for (std::size_t i = 0; i < work_.steps.size() && done; ++i)
      if (work_.steps[i].table.schema == schema)
        work_.done[i].truncated = work_.steps[i].truncate;
  }
  if (!failures.empty())
    return std::unexpected{admin_failure{exit_code::failed, failures}};
  return {};
}

} // namespace millrace::cli
