// `millrace lanes change`: another map for a pipeline, while nodes run.

#include "actors/cluster/json_writer.hpp"
#include "actors/source/partition_feed.hpp"
#include "config/values.hpp"
#include "nodes/cli/lanes_moves.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <set>
#include <utility>

namespace millrace::cli {

namespace {

void show(const map_difference& what, const map_switch& done, console& to) {
  if (!to.json()) {
    to.out(std::format("pipeline {} has map {} now, with {} lanes per tenant; "
                       "nodes take it up when they find it in their "
                       "configuration\n",
                       reading_name(what.after.pipeline, what.database),
                       done.version.value, what.after.lanes));
    for (const auto& x : done.backfills)
      to.out(std::format("backfill {} ends where this map begins{}\n",
                         printable(x.pipeline),
                         x.holds ? "; until it has come there nothing is read "
                                   "beyond"
                                 : ""));
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
  out.key("backfills_ended").begin_array();
  for (const auto& x : done.backfills)
    out.string(x.pipeline);
  out.end_array();
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

/// All that is to change, in the order of the configuration.
struct wanted_changes_result {
  std::vector<wanted_change> all;
  std::vector<tenant_step> steps;
};

admin_result<tenant_site> site_of(admin_session& session,
                                  const pipeline_config& pipeline) {
  tenant_site result;
  result.database = session.database;
  map_changes maps{session.conn, {}};
  auto stored = maps.stored(pipeline.name);
  if (!stored)
    return admin_fail(stored.error());
  if (*stored) {
    result.ran = true;
    result.now = {(*stored)->tenants.begin(), (*stored)->tenants.end()};
    result.now.erase(std::string{unrouted_tenant});
    auto fence = tenant_moves{session.conn, pipeline.name}.fenced();
    if (!fence)
      return admin_fail(fence.error());
    if (*fence)
      result.arrivals = (*fence)->arrivals;
  }
  for (const auto* x : tenants_of(*session.all, pipeline, session.database))
    result.then.insert(x->name);
  return result;
}

admin_result<std::vector<tenant_step>>
wanted_steps(admin_sessions& sessions, const pipeline_config& pipeline) {
  std::vector<tenant_site> sites;
  for (auto& x : sessions.open) {
    auto site = site_of(x, pipeline);
    if (!site)
      return std::unexpected{site.error()};
    if (sessions.open.size() < all_databases(*x.all).size()
        && (site->now != site->then || !site->arrivals.empty()))
      return admin_fail(exit_code::usage,
                        "tenants are to come or to go: say so to all databases "
                        "at once, without --database");
    sites.push_back(std::move(*site));
  }
  auto steps = find_steps(sites);
  if (!steps)
    return admin_fail(exit_code::failed, steps.error());
  return std::move(*steps);
}

admin_result<wanted_changes_result>
wanted_changes(admin_sessions& sessions, const lanes_arguments& what) {
  const auto& all = *sessions.open.front().all;
  auto pipeline = std::ranges::find(all.pipelines, what.pipeline,
                                    &pipeline_config::name);
  if (pipeline == all.pipelines.end())
    return admin_fail(exit_code::usage, "--pipeline: found "
                                          + in_quotes(what.pipeline)
                                          + ", expected a pipeline of the "
                                            "configuration");
  auto steps = wanted_steps(sessions, *pipeline);
  if (!steps)
    return std::unexpected{steps.error()};
  wanted_changes_result result{{}, std::move(*steps)};
  for (auto& session : sessions.open) {
    auto gives = std::ranges::contains(result.steps, session.database,
                                       &tenant_step::from);
    if (!gives && !is_read_for(all, *pipeline, session.database))
      continue;
    auto change = find_difference(session, *pipeline);
    if (!change)
      return std::unexpected{change.error()};
    if (*change)
      result.all.push_back({session, std::move(**change)});
  }
  if (result.all.empty())
    return admin_fail(exit_code::failed,
                      "nothing to change: pipeline " + printable(what.pipeline)
                        + " has this map already, or never ran");
  return result;
}

admin_result<void>
make_changes(admin_sessions& sessions, wanted_changes_result& changes,
             const lanes_arguments& what, std::chrono::milliseconds patience,
             console& to) {
  std::set<std::string> moved;
  for (const auto& x : changes.steps)
    moved.insert({x.from, x.to});
  if (!changes.steps.empty()) {
    moving all{changes.all,
               sessions,
               changes.steps,
               what,
               patience,
               to,
               [&to](const wanted_change& x, const map_switch& done) {
                 show(x.what, done, to);
               }};
    if (auto done = all.run(); !done)
      return done;
  }
  // The others need no common barrier: nobody writes another one's tenants.
  for (auto& x : changes.all) {
    if (moved.contains(x.session.database))
      continue;
    map_changes maps{x.session.conn, note_of(what, "lanes change")};
    switch_moves moves;
    moves.set = uuid::random();
    moves.homes = homes_for(
      x.session, *std::ranges::find(x.session.all->pipelines, what.pipeline,
                                    &pipeline_config::name));
    auto act = [&](const uuid& plan) -> store_result<void> {
      auto done = maps.switch_over(plan, x.what.after, x.what.remap, moves);
      if (!done)
        return std::unexpected{done.error()};
      show(x.what, *done, to);
      return {};
    };
    if (auto done = at_barrier(maps, x.what, patience, to, act); !done)
      return done;
  }
  return {};
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
  for (const auto& x : changes->steps)
    to.note(std::format("tenant {} goes from database {} to {}; its rows stay "
                        "where they are\n",
                        printable(x.tenant), printable(x.from),
                        printable(x.to)));
  for (const auto& x : changes->all)
    to.note(std::format("pipeline {}, from map {} to {}:\n{}",
                        reading_name(what.pipeline, x.what.database),
                        x.what.before.version.value,
                        x.what.before.version.value + 1, text_of(x.what)));
  auto question = "Its nodes stop reading until all lanes have come together, "
                  "for some seconds. Go on?";
  if (auto agreed = confirm(what, to, question); !agreed)
    return tell(agreed.error(), to);
  if (auto done = make_changes(*sessions, *changes, what, *patience, to); !done)
    return tell(done.error(), to);
  return exit_code::ok;
}

} // namespace millrace::cli
