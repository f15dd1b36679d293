#include "nodes/cli/map_changing.hpp"

#include "actors/store/backfill_rules.hpp"
#include "config/backfills.hpp"
#include "config/values.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/waiting_remap.hpp"

#include <algorithm>
#include <format>
#include <iterator>
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

std::string joined(const std::vector<std::string>& names) {
  std::string result;
  for (const auto& x : names)
    result += (result.empty() ? "" : ", ") + printable(x);
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
  using action = std::function<store_result<void>(const uuid&)>;

  changing(map_changes& maps, uuid plan, const std::string& pipeline,
           const action& act, console& out)
    : maps_{maps},
      plan_{plan},
      pipeline_{pipeline},
      act_{act},
      out_{out} {
  }

  admin_result<void> run(clock::time_point deadline) {
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
  admin_result<void> wait(clock::time_point deadline) {
    signal_stop signals;
    for (;;) {
      auto now = maps_.renew(plan_, pipeline_, lease);
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
        auto done = act_(plan_);
        if (done)
          return {};
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
  const std::string& pipeline_;
  const action& act_;
  console& out_;
  std::ptrdiff_t ready_ = -1;
};

} // namespace

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
  for (const auto& backfill : x.ending) {
    result += std::format("  backfill {} ends at the barrier; it is {} offsets "
                          "behind\n",
                          printable(backfill.pipeline), backfill.behind());
    if (backfill.holds)
      result += std::format("  {} writes nothing beyond the barrier before "
                            "that one has come there, as the order of events "
                            "matters in its tables\n",
                            printable(x.after.pipeline));
  }
  if (x.waiting > 0)
    result += std::format("  {} events wait: they go to their new lanes, or "
                          "become dead letters where the new map cannot write "
                          "them\n",
                          x.waiting);
  return result;
}

namespace {

/// Those that are configured for the pipeline, and how they stand here.
admin_result<void> add_backfills(admin_session& session,
                                 const pipeline_config& pipeline,
                                 map_difference& to) {
  auto stored = list_backfills(session.conn);
  if (!stored)
    return admin_fail(stored.error());
  for (const auto& x : session.all->pipelines) {
    if (x.backfills != pipeline.name)
      continue;
    auto holds = order_matters(x, pipeline);
    auto row = std::ranges::find(*stored, x.name, &backfill_status::pipeline);
    auto begun = row != stored->end();
    if (begun && row->ends)
      continue;
    auto verdict = judge_hand_over(written_tables(x), to.after.tables);
    if (!begun && holds && verdict == hand_over::ends)
      return admin_fail(
        exit_code::failed,
        std::format("backfill {} has not begun, and in its tables the order of "
                    "events matters: {} would stand still until all records "
                    "of before are read. Run a node with it first, until "
                    "'millrace lanes backfills' says that it is near",
                    printable(x.name), printable(pipeline.name)));
    to.after.backfills.push_back({x.name, holds});
    if (!begun || verdict != hand_over::ends)
      continue;
    to.ending.push_back(std::move(*row));
    to.ending.back().holds = holds;
  }
  return {};
}

} // namespace

admin_result<std::optional<map_difference>>
find_difference(admin_session& session, const pipeline_config& pipeline) {
  map_changes maps{session.conn, {}};
  auto stored = maps.stored(pipeline.name);
  if (!stored)
    return admin_fail(stored.error());
  if (!*stored)
    return std::nullopt;
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
  result.after.tables = written_tables(pipeline);
  if (auto done = add_backfills(session, pipeline, result); !done)
    return std::unexpected{done.error()};
  auto waiting = maps.waiting(pipeline.name);
  if (!waiting)
    return admin_fail(waiting.error());
  result.waiting = *waiting;
  result.remap = make_waiting_remap(*prepared);
  return result;
}

admin_result<void>
at_barrier(map_changes& maps, const map_difference& what,
           std::chrono::milliseconds patience, console& to,
           const std::function<store_result<void>(const uuid& plan)>& act) {
  auto plan = maps.plan(what.after, what.before.version, lease);
  if (!plan)
    return admin_fail(plan.error());
  return changing{maps, *plan, what.after.pipeline, act, to}.run(clock::now()
                                                                 + patience);
}

} // namespace millrace::cli
