// `millrace lanes change`: another map for a pipeline, while nodes run.

#include "actors/cluster/json_writer.hpp"
#include "actors/store/map_change.hpp"
#include "config/values.hpp"
#include "nodes/cli/lanes_command.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/prepare.hpp"
#include "nodes/shares.hpp"
#include "nodes/waiting_remap.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

namespace millrace::cli {

namespace {

using clock = std::chrono::steady_clock;

/// The plan counts for so long after each look: how long consumers wait when
/// this command dies.
constexpr std::chrono::seconds lease{15};

/// Between looks at the floors.
constexpr std::chrono::milliseconds look_interval{200};

/// What will be different.
struct map_difference {
  std::string database;
  stored_map before;
  new_map after;
  std::vector<std::string> tenants_added;
  std::vector<std::string> tenants_removed;

  /// How many wait, and what becomes of them.
  int64_t waiting = 0;
  waiting_remap remap;
};

std::string database_text(const admin_session& x) {
  return x.database == control_database ? std::string{"this database"}
                                        : "database " + printable(x.database);
}

std::string joined(const std::vector<std::string>& names) {
  std::string result;
  for (const auto& x : names)
    result += (result.empty() ? "" : ", ") + printable(x);
  return result;
}

/// A line each.
std::string text_of(const map_difference& x) {
  std::string result;
  if (x.before.lanes != x.after.lanes)
    result += std::format("  lanes per tenant: {} -> {}\n", x.before.lanes,
                          x.after.lanes);
  if (!x.tenants_added.empty())
    result += "  tenants added: " + joined(x.tenants_added) + '\n';
  if (!x.tenants_removed.empty())
    result += "  tenants removed: " + joined(x.tenants_removed)
              + " (their events go to _unrouted from then on)\n";
  if (result.empty())
    result = "  tenant, routes, filters or writes\n";
  if (x.waiting > 0)
    result += std::format("  {} events wait: they go to their new lanes, or "
                          "become dead letters where the new map cannot write "
                          "them\n",
                          x.waiting);
  return result;
}

/// Nothing where the database has this map already.
admin_result<std::optional<map_difference>>
difference(admin_session& session, map_changes& maps,
           const pipeline_config& pipeline) {
  const auto& all = *session.all;
  auto prepared = prepare_pipeline(session.conn, all,
                                   *find_database(all, session.database),
                                   pipeline);
  if (!prepared) {
    admin_failure failure{prepared.error().passing ? exit_code::unreachable
                                                   : exit_code::failed,
                          {}};
    for (const auto& text : prepared.error().problems)
      failure.all.push_back(make_error(text));
    return std::unexpected{std::move(failure)};
  }
  auto stored = maps.stored(pipeline.name);
  if (!stored)
    return admin_fail(stored.error());
  if (!*stored)
    return admin_fail(exit_code::failed, "pipeline " + printable(pipeline.name)
                                           + " has never run on "
                                           + database_text(session)
                                           + ": just start it");
  map_difference result;
  result.database = session.database;
  result.before = std::move(**stored);
  result.after = {pipeline.name, prepared->map_fingerprint, pipeline.lanes,
                  prepared->tenants};
  std::vector<std::string> names;
  for (const auto& x : prepared->tenants)
    names.push_back(x.name);
  std::ranges::sort(names);
  std::ranges::set_difference(names, result.before.tenants,
                              std::back_inserter(result.tenants_added));
  std::ranges::set_difference(result.before.tenants, names,
                              std::back_inserter(result.tenants_removed));
  if (result.before.fingerprint == result.after.fingerprint
      && result.before.lanes == result.after.lanes)
    return std::nullopt;
  auto waiting = maps.waiting(pipeline.name);
  if (!waiting)
    return admin_fail(waiting.error());
  result.waiting = *waiting;
  result.remap = make_waiting_remap(*prepared);
  return result;
}

/// What is waited for; empty when nothing is.
std::string lagging(const change_progress& x) {
  std::string result;
  for (const auto& p : x.partitions)
    if (!p.ready())
      result += std::format("{}{}/{}: floor at {}, a lane at {}",
                            result.empty() ? "" : "; ", printable(p.topic),
                            p.number.value, p.floor.value, p.furthest.value);
  return result;
}

/// One planned change until it is made or given up.
class changing {
public:
  changing(map_changes& maps, uuid plan, const map_difference& what,
           console& out)
    : maps_{maps},
      plan_{plan},
      to_{what.after},
      remap_{what.remap},
      out_{out} {
  }

  admin_result<map_switch> run(clock::time_point deadline) {
    auto result = wait(deadline);
    if (!result) {
      const auto& all = result.error().all;
      // Consumers would find out by the deadline as well, only later.
      static_cast<void>(
        maps_.abort(plan_, all.empty() ? "it failed" : all.front().text));
    }
    return result;
  }

private:
  admin_result<map_switch> wait(clock::time_point deadline) {
    signal_stop signals;
    for (;;) {
      auto now = maps_.renew(plan_, to_.pipeline, lease);
      if (!now)
        return admin_fail(now.error());
      if (!now->planned)
        return admin_fail(exit_code::failed,
                          "the plan is over: its deadline passed while the "
                          "database did not answer, or somebody ended it");
      if (!now->stopped.empty())
        return admin_fail(exit_code::failed,
                          "lane " + printable(to_string(now->stopped.front()))
                            + " has stopped: 'millrace lanes halted' tells "
                              "why and what makes it go on; nothing was "
                              "changed");
      tell(*now);
      if (now->ready()) {
        auto done = maps_.switch_over(plan_, to_, remap_);
        if (done)
          return std::move(*done);
        if (done.error().code != store_errc::retry)
          return admin_fail(done.error());
      }
      if (signals.token().stop_requested())
        return admin_fail(exit_code::failed,
                          "interrupted; nothing was changed");
      if (clock::now() >= deadline)
        return admin_fail(exit_code::failed, too_late(*now));
      std::this_thread::sleep_for(look_interval);
    }
  }

  static std::string too_late(const change_progress& x) {
    auto why = lagging(x);
    return "waited in vain for the lanes to come together; nothing was "
           "changed, and the nodes go on. "
           + (why.empty() ? std::string{"Transactions held their rows"}
                          : why + ". Do all nodes run, and are they well?");
  }

  void tell(const change_progress& x) {
    auto ready = std::ranges::count_if(x.partitions, &barrier_progress::ready);
    if (std::exchange(ready_, ready) != ready)
      out_.note(std::format("{} of {} partitions have all lanes at one offset",
                            ready, x.partitions.size()));
  }

  map_changes& maps_;
  uuid plan_;
  const new_map& to_;
  const waiting_remap& remap_;
  console& out_;
  std::ptrdiff_t ready_ = -1;
};

void show(const map_difference& what, const map_switch& done, console& to) {
  if (!to.json()) {
    to.out(std::format("pipeline {} has map {} now, with {} lanes per tenant; "
                       "nodes take it up when they find it in their "
                       "configuration\n",
                       reading_name(what.after.pipeline, what.database),
                       done.version.value, what.after.lanes));
    if (done.waiting.moved + done.waiting.dead > 0)
      to.out(std::format("of its waiting events {} wait on, {} are dead "
                         "letters\n",
                         done.waiting.moved, done.waiting.dead));
    return;
  }
  json_writer out;
  auto names = [&out](const char* key, const std::vector<std::string>& xs) {
    out.key(key).begin_array();
    for (const auto& x : xs)
      out.string(x);
    out.end_array();
  };
  out.begin_object();
  out.key("pipeline").string(what.after.pipeline);
  out.key("database").string(what.database);
  out.key("map_version").integer(done.version.value);
  out.key("lanes_before").integer(what.before.lanes);
  out.key("lanes").integer(what.after.lanes);
  names("tenants_added", what.tenants_added);
  names("tenants_removed", what.tenants_removed);
  out.key("waiting_moved").integer(done.waiting.moved);
  out.key("waiting_dead").integer(done.waiting.dead);
  out.key("barrier").begin_array();
  for (const auto& x : done.barrier) {
    out.begin_object();
    out.key("topic").string(x.topic);
    out.key("partition").integer(x.number.value);
    out.key("offset").integer(x.floor.value);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  to.out(out.str() + '\n');
}

/// A database whose map is to change.
struct wanted_change {
  admin_session& session;
  map_difference what;
};

/// In the order of the configuration. Databases are read for by themselves,
/// each up to where it is: they need no common barrier.
admin_result<std::vector<wanted_change>>
wanted_changes(admin_sessions& sessions, const lanes_arguments& what) {
  const auto& all = *sessions.open.front().all;
  auto pipeline = std::ranges::find(all.pipelines, what.pipeline,
                                    &pipeline_config::name);
  if (pipeline == all.pipelines.end())
    return admin_fail(exit_code::usage, "--pipeline: found "
                                          + in_quotes(what.pipeline)
                                          + ", expected a pipeline of the "
                                            "configuration");
  std::vector<wanted_change> result;
  for (auto& session : sessions.open) {
    if (!is_read_for(all, *pipeline, session.database))
      continue;
    map_changes maps{session.conn, note_of(what, "lanes change")};
    auto change = difference(session, maps, *pipeline);
    if (!change)
      return std::unexpected{change.error()};
    if (*change)
      result.push_back({session, std::move(**change)});
  }
  if (result.empty())
    return admin_fail(exit_code::failed, "nothing to change: pipeline "
                                           + printable(what.pipeline)
                                           + " has this map already");
  return result;
}

admin_result<map_switch>
make_change(const wanted_change& x, const lanes_arguments& what,
            std::chrono::milliseconds patience, console& to) {
  map_changes maps{x.session.conn, note_of(what, "lanes change")};
  auto plan = maps.plan(x.what.after, x.what.before.version, lease);
  if (!plan)
    return admin_fail(plan.error());
  return changing{maps, *plan, x.what, to}.run(clock::now() + patience);
}

} // namespace

exit_code run_lanes_change(const lanes_arguments& what, console& to) {
  auto patience = parse_duration(what.patience);
  if (!patience || patience->count() == 0)
    return to.fail(exit_code::usage,
                   "--patience: found " + in_quotes(what.patience)
                     + ", expected a duration such as \"2m\"");
  if (what.pipeline.empty())
    return to.fail(exit_code::usage, "expected --pipeline NAME");
  if (auto good = check_reason(what); !good)
    return tell(good.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto changes = wanted_changes(*sessions, what);
  if (!changes)
    return tell(changes.error(), to);
  for (const auto& x : *changes)
    to.note(std::format("pipeline {}, from map {} to {}:\n{}",
                        reading_name(what.pipeline, x.what.database),
                        x.what.before.version.value,
                        x.what.before.version.value + 1, text_of(x.what)));
  auto question = "Its nodes stop reading until all lanes have come together, "
                  "for some seconds. Go on?";
  if (auto agreed = confirm(what, to, question); !agreed)
    return tell(agreed.error(), to);
  for (const auto& x : *changes) {
    auto done = make_change(x, what, *patience, to);
    if (!done)
      return tell(done.error(), to);
    show(x.what, *done, to);
  }
  return exit_code::ok;
}

} // namespace millrace::cli
