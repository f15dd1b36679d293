#include "nodes/cli/lanes_moves.hpp"

#include "config/values.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <format>
#include <thread>
#include <utility>

namespace millrace::cli {

namespace {

using clock = std::chrono::steady_clock;

/// Between looks at a database that has to come as far as another one.
constexpr std::chrono::milliseconds look_interval{200};

} // namespace

std::optional<std::map<std::string, std::string>>
homes_for(const admin_session& session, const pipeline_config& pipeline) {
  if (session.database != control_database)
    return std::nullopt;
  std::map<std::string, std::string> result;
  for (const auto* database : all_databases(*session.all))
    if (database->name != control_database)
      for (const auto* x : tenants_of(*session.all, pipeline, database->name))
        result.emplace(x->name, database->name);
  return result;
}

moving::moving(std::vector<wanted_change>& changes, admin_sessions& sessions,
               const std::vector<tenant_step>& steps,
               const lanes_arguments& what, std::chrono::milliseconds patience,
               console& to, teller show)
  : changes_{changes},
    sessions_{sessions},
    steps_{steps},
    what_{what},
    patience_{patience},
    to_{to},
    show_{std::move(show)} {
}

admin_result<void> moving::run() {
  if (auto done = recall(); !done)
    return done;
  auto done = check_backfills();
  if (done)
    done = fence_receivers();
  if (done)
    done = give_all();
  if (done)
    done = take_all();
  if (done)
    return note_homes();
  auto& failure = done.error();
  auto why = failure.all.empty() ? std::string{"it failed"}
                                 : failure.all.front().text;
  if (is_decided())
    failure.all.push_back(
      make_error("the change is half made: the databases that tenants come to "
                 "stand still. Run the command again, it completes it"));
  else
    take_back(why);
  return done;
}

/// Looks what a command before this one has done.
admin_result<void> moving::recall() {
  for (auto& x : sessions_.open)
    if (givers().contains(x.database) || receivers().contains(x.database))
      parts_[x.database].session = &x;
  for (auto& x : changes_)
    if (auto i = parts_.find(x.session.database); i != parts_.end())
      i->second.change = &x;
  set_ = uuid::random();
  for (const auto& name : receivers()) {
    auto found = moves_of(parts_.at(name)).fenced();
    if (!found)
      return admin_fail(found.error());
    if (*found)
      set_ = (*found)->set;
    parts_[name].fence = std::move(*found);
  }
  for (const auto& [name, x] : parts_)
    if (x.fence && x.fence->set != set_)
      return admin_fail(exit_code::failed,
                        "two changes are half made: first complete one with "
                        "the configuration that it was begun with");
  for (const auto& name : givers()) {
    auto& x = parts_.at(name);
    auto found = moves_of(x).switched(set_);
    if (!found)
      return admin_fail(found.error());
    x.switched = std::move(*found);
    if (!x.switched && !x.change)
      return admin_fail(exit_code::failed,
                        "database " + in_quotes(name)
                          + " has the new map, but tenants were not handed "
                            "over");
  }
  for (const auto& [name, x] : parts_)
    if (is_decided() && x.fence && x.change
        && (x.fence->fingerprint != x.change->what.after.fingerprint
            || x.fence->lanes != x.change->what.after.lanes))
      return admin_fail(exit_code::failed,
                        "a change is half made: run the command with the "
                        "configuration that it was begun with");
  return {};
}

/// What is half made has to be completed, whatever has begun since.
admin_result<void> moving::check_backfills() {
  if (is_decided())
    return {};
  std::vector<std::string> configured;
  for (const auto& x : sessions_.open.front().all->pipelines)
    if (x.backfills == what_.pipeline)
      configured.push_back(x.name);
  for (auto& [name, x] : parts_) {
    // One where the pipeline never ran has nothing of it.
    if (!x.change)
      continue;
    auto all = list_backfills(x.session->conn);
    if (!all)
      return admin_fail(all.error());
    if (auto why = tenants_stay(*all, what_.pipeline, configured))
      return admin_fail(exit_code::failed, "database " + in_quotes(name) + ": "
                                             + *why + "; nothing was changed");
  }
  return {};
}

bool moving::is_decided() const {
  return std::ranges::any_of(parts_, [](const auto& x) {
    return x.second.switched.has_value();
  });
}

std::set<std::string> moving::givers() const {
  std::set<std::string> result;
  for (const auto& x : steps_)
    result.insert(x.from);
  return result;
}

std::set<std::string> moving::receivers() const {
  std::set<std::string> result;
  for (const auto& x : steps_)
    result.insert(x.to);
  return result;
}

tenant_moves moving::moves_of(part& x) const {
  return {x.session->conn, what_.pipeline};
}

// -- those that receive -------------------------------------------------------

admin_result<void> moving::fence_receivers() {
  for (const auto& name : receivers()) {
    auto& x = parts_.at(name);
    // One where the pipeline never ran begins with its first node.
    if (x.fence || !x.change)
      continue;
    if (auto done = fence(x, name); !done)
      return done;
  }
  return {};
}

admin_result<void> moving::fence(part& x, const std::string& database) {
  std::map<std::string, std::string> arrivals;
  for (const auto& step : steps_)
    if (step.to == database)
      arrivals.emplace(step.tenant, step.from);
  map_changes maps{x.session->conn, note_of(what_, "lanes change")};
  auto done = at_barrier(maps, x.change->what, patience_, to_,
                         [&](const uuid& plan) {
                           return moves_of(x).fence(plan, set_, arrivals);
                         });
  if (!done)
    return done;
  auto fenced = moves_of(x).fenced();
  if (!fenced)
    return admin_fail(fenced.error());
  x.fence = std::move(*fenced);
  to_.note("database " + printable(database)
           + " stands still until its new tenants have come");
  return {};
}

admin_result<void> moving::take_all() {
  for (const auto& name : receivers())
    if (auto& x = parts_.at(name); x.change)
      if (auto done = take(x, name); !done)
        return done;
  return {};
}

admin_result<void> moving::take(part& x, const std::string& database) {
  switch_moves moves;
  moves.set = set_;
  for (const auto& step : steps_)
    if (step.to == database)
      moves.arriving[step.tenant] = parts_.at(step.from).switched.value();
  auto done = switch_at_barrier(x, moves);
  if (!done)
    return std::unexpected{done.error()};
  x.fence.reset();
  show_(*x.change, *done);
  return {};
}

// -- those that give ----------------------------------------------------------

admin_result<void> moving::give_all() {
  for (const auto& name : givers())
    if (auto& x = parts_.at(name); !x.switched)
      if (auto done = give(x, name); !done)
        return done;
  return {};
}

admin_result<void> moving::give(part& x, const std::string& database) {
  switch_moves moves;
  moves.set = set_;
  std::set<std::string> towards;
  for (const auto& step : steps_)
    if (step.from == database) {
      moves.leaving.push_back(step.tenant);
      if (parts_.at(step.to).change)
        towards.insert(step.to);
    }
  for (const auto& name : towards) {
    auto marks = moves_of(parts_.at(name)).floors();
    if (!marks)
      return admin_fail(marks.error());
    moves.receivers.push_back(std::move(*marks));
  }
  if (auto come = await_hand_over(x, moves.receivers); !come)
    return come;
  auto done = switch_at_barrier(x, moves);
  if (!done)
    return std::unexpected{done.error()};
  auto marks = moves_of(x).switched(set_);
  if (!marks)
    return admin_fail(marks.error());
  x.switched = marks->value_or(partition_marks{});
  show_(*x.change, *done);
  return {};
}

/// Until it has read as far as those that its tenants go to.
admin_result<void>
moving::await_hand_over(part& x,
                        const std::vector<partition_marks>& receivers) {
  signal_stop signals;
  for (auto deadline = clock::now() + patience_;;) {
    auto mine = moves_of(x).floors();
    if (!mine)
      return admin_fail(mine.error());
    std::optional<std::string> problem;
    for (const auto& marks : receivers)
      if (!problem)
        problem = hand_over_problem(*mine, marks);
    if (!problem)
      return {};
    if (signals.token().stop_requested())
      return admin_fail(exit_code::failed, "interrupted; nothing was changed");
    if (clock::now() >= deadline)
      return admin_fail(exit_code::failed,
                        "waited in vain for the databases to come together; "
                        "nothing was changed. "
                          + *problem);
    std::this_thread::sleep_for(look_interval);
  }
}

admin_result<map_switch> moving::switch_at_barrier(part& x,
                                                   const switch_moves& base) {
  map_changes maps{x.session->conn, note_of(what_, "lanes change")};
  auto& what = x.change->what;
  if (x.fence) {
    auto stored = maps.stored(what_.pipeline);
    if (!stored)
      return admin_fail(stored.error());
    if (*stored)
      what.before.version = (*stored)->version;
  }
  const auto& all = *x.session->all;
  auto moves = base;
  moves.homes = homes_for(*x.session,
                          *std::ranges::find(all.pipelines, what_.pipeline,
                                             &pipeline_config::name));
  map_switch result;
  auto done = at_barrier(
    maps, what, patience_, to_, [&](const uuid& plan) -> store_result<void> {
      auto switched = maps.switch_over(plan, what.after, what.remap, moves);
      if (!switched)
        return std::unexpected{switched.error()};
      result = std::move(*switched);
      return {};
    });
  if (!done)
    return std::unexpected{done.error()};
  return result;
}

/// Where neither database is the control one, that has not heard of it yet.
admin_result<void> moving::note_homes() {
  auto control = std::ranges::find(sessions_.open, control_database,
                                   &admin_session::database);
  if (control == sessions_.open.end())
    return {};
  for (const auto& step : steps_) {
    if (step.to == control_database)
      continue;
    tenant_moves moves{control->conn, what_.pipeline};
    if (auto done = moves.note_home(step.tenant, step.to); !done)
      return admin_fail(done.error());
  }
  return {};
}

void moving::take_back(const std::string& why) {
  for (auto& [name, x] : parts_) {
    if (!x.fence)
      continue;
    if (auto done = moves_of(x).unfence(*x.fence, why); !done)
      to_.note("database " + printable(name)
               + " still stands still: " + done.error().message
               + ". Run the command again, with the configuration that the "
                 "nodes run or with the new one");
  }
}

} // namespace millrace::cli
