#include "nodes/reload.hpp"

#include "actors/cluster/directory.hpp"
#include "actors/cluster/log.hpp"
#include "actors/store/map_change.hpp"

#include <algorithm>
#include <expected>
#include <functional>
#include <iterator>
#include <utility>

namespace millrace {

namespace {

/// Between looks at the configuration while a pipeline waits for its map.
constexpr std::chrono::seconds look_interval{5};

/// Most databases answer in this time; others are not waited for.
constexpr std::chrono::milliseconds trial_patience{100};

std::string check_name(const std::string& pipeline) {
  return "program of pipeline " + pipeline;
}

/// Why this process cannot run with another configuration.
std::optional<std::string> needs_restart(const config& now,
                                         const config& next) {
  auto in_cluster = [](const config& x) { return x.cluster.nodes.size() > 1; };
  if (in_cluster(now) != in_cluster(next))
    return "whether there are other nodes is decided when a process starts";
  placement where{next.cluster, next.node.name};
  if (!where.knows_self())
    return "cluster.static has no node '" + next.node.name + "'";
  return std::nullopt;
}

/// Whether the configuration has the map that counts, for one of these
/// readings; or why one of them does not fit the tables.
std::expected<bool, std::string>
brings_map(const config& next,
           const std::map<std::string, std::string>& troubled,
           const std::function<bool()>& stop) {
  std::string problem;
  for (const auto* database : all_databases(next)) {
    if (stop())
      break;
    std::vector<const pipeline_config*> wanted;
    for (const auto& x : next.pipelines)
      if (troubled.contains(reading_name(x.name, database->name)))
        wanted.push_back(&x);
    if (wanted.empty())
      continue;
    auto conn = connection::open(make_session_config(*database));
    if (!conn) {
      problem = conn.error().message;
      continue;
    }
    map_changes maps{*conn, {}};
    for (const auto* x : wanted) {
      auto prepared = prepare_pipeline(*conn, next, *database, *x, stop);
      if (!prepared) {
        problem = prepared.error().problems.front();
        continue;
      }
      auto stored = maps.stored(x->name);
      if (stored && *stored
          && (*stored)->fingerprint == prepared->map_fingerprint
          && (*stored)->lanes == x->lanes)
        return true;
    }
  }
  if (!problem.empty())
    return std::unexpected{std::move(problem)};
  return false;
}

/// Why the databases cannot be used as the configuration says. One that does
/// not answer is no reason: it is waited for, as at a start.
std::optional<std::string> unusable(const config& next,
                                    const migrated_sets& before,
                                    const std::function<bool()>& stop) {
  for (const auto* x : all_databases(next)) {
    if (stop())
      break;
    if (auto ready = prepare(next, *x, before.of(*x), stop);
        !ready && !ready.error().passing)
      return ready.error().problems.front();
  }
  return std::nullopt;
}

} // namespace

// -- outdated programs --------------------------------------------------------

void outdated_programs::note(const std::string& pipeline,
                             const std::string& why) {
  std::lock_guard guard{mutex_};
  pipelines_[pipeline] = why;
}

std::map<std::string, std::string> outdated_programs::all() const {
  std::lock_guard guard{mutex_};
  return pipelines_;
}

void outdated_programs::clear() {
  std::lock_guard guard{mutex_};
  pipelines_.clear();
}

// -- the tree -----------------------------------------------------------------

tree_keeper::tree_keeper(caf::actor_system& sys, supervisor_actor root,
                         std::shared_ptr<readiness_board> board,
                         node_options options)
  : sys_{sys},
    root_{std::move(root)},
    board_{std::move(board)},
    options_{std::move(options)} {
}

tree_keeper::~tree_keeper() {
  stop_preparing();
  if (trial_)
    *trial_->stop = true;
}

void tree_keeper::stop_preparing() {
  if (stop_preparing_)
    *stop_preparing_ = true;
}

void tree_keeper::begin(const config& all, const placement_ptr& where) {
  begin(all, where, {});
}

void tree_keeper::begin(const config& all, const placement_ptr& where,
                        const migrated_sets& before) {
  stop_preparing();
  databases_.reset();
  stop_preparing_ = std::make_shared<std::atomic<bool>>(false);
  running_.all = std::make_shared<const config>(all);
  running_.where = where;
  running_.credit = make_credit(all);
  running_.on_outdated = [outdated = outdated_](const std::string& reading,
                                                const std::string& why) {
    outdated->note(reading, why);
  };
  children_ = plant_tree(root_, running_);
  databases_.emplace(
    *running_.all, board_,
    [now = running_.all, before, stop = stop_preparing_](const auto& x) {
      return prepare(*now, x, before.of(x), [stop] { return stop->load(); });
    },
    [this](const auto& x, const auto& pipelines) { plant(x, pipelines); });
}

bool tree_keeper::advance() {
  return databases_->advance(clock::now());
}

std::size_t tree_keeper::waiting() const noexcept {
  return databases_->waiting();
}

void tree_keeper::plant(const postgresql_config& database,
                        const std::vector<prepared_pipeline>& pipelines) {
  auto names = plant_database(sys_, root_, running_, database, pipelines);
  std::ranges::move(names, std::back_inserter(children_));
  planted_ = true;
  migrated_.note(database, migration_jobs(*running_.all, database));
  log::info("database-ready",
            {{"database", database.name}, {"pipelines", pipelines.size()}});
}

void tree_keeper::look(bool asked) {
  auto troubled = outdated_->all();
  post(troubled);
  if (trial_) {
    if (asked) {
      asked_meanwhile_ = true;
      *trial_->stop = true;
    }
    end_trial();
    return;
  }
  asked = std::exchange(asked_meanwhile_, false) || asked;
  auto now = clock::now();
  if (!options_.load_again
      || (!asked && (troubled.empty() || now < next_look_)))
    return;
  next_look_ = now + look_interval;
  auto next = options_.load_again();
  if (!next) {
    keep_old(next.error());
    return;
  }
  // These belong to the process.
  next->node = running_.all->node;
  if (auto why = needs_restart(*running_.all, *next)) {
    keep_old(*why);
    return;
  }
  // Who asks has reasons; else it has to bring what is waited for.
  if (asked)
    troubled.clear();
  try_out(std::move(*next), asked, troubled);
  end_trial();
}

tree_keeper::verdict
tree_keeper::judge(const config& next, const migrated_sets& before,
                   const std::map<std::string, std::string>& troubled,
                   const std::function<bool()>& stop) {
  if (!troubled.empty()) {
    auto better = brings_map(next, troubled, stop);
    if (!better)
      return {false, better.error()};
    if (!*better)
      return {true, std::nullopt};
  }
  return {false, unusable(next, before, stop)};
}

/// In a thread of its own: somebody may migrate a tenant for long, a server may
/// not answer, and signals and what the tree says must not wait for that.
void tree_keeper::try_out(config next, bool asked,
                          const std::map<std::string, std::string>& troubled) {
  trial x;
  x.next = std::make_shared<const config>(std::move(next));
  // Who asks wants all that is new, also in folders of migrations.
  x.before = asked ? migrated_sets{} : migrated_;
  x.asked = asked;
  x.stop = std::make_shared<std::atomic<bool>>(false);
  x.outcome = std::async(std::launch::async, [all = x.next, before = x.before,
                                              troubled, stop = x.stop] {
    return judge(*all, before, troubled, [stop] { return stop->load(); });
  });
  trial_ = std::move(x);
}

void tree_keeper::end_trial() {
  if (trial_->outcome.wait_for(trial_patience) != std::future_status::ready)
    return;
  auto over = std::move(*trial_);
  trial_.reset();
  auto found = over.outcome.get();
  if (*over.stop || found.needless)
    return;
  if (found.why_not)
    keep_old(*found.why_not);
  else
    take(over);
}

void tree_keeper::take(const trial& x) {
  log::info("node-reloading", {{"asked", x.asked}});
  if (!uproot_tree(sys_, root_, children_))
    log::warn("node-abandons-actors", {{"cause", "reload"}});
  clear_directory(sys_);
  outdated_->clear();
  post({});
  kept_why_.clear();
  begin(*x.next,
        std::make_shared<const placement>(x.next->cluster, x.next->node.name),
        x.before);
  log::info("node-reloaded", {{"pipelines", x.next->pipelines.size()}});
}

void tree_keeper::post(const std::map<std::string, std::string>& troubled) {
  for (const auto& [pipeline, why] : posted_)
    if (!troubled.contains(pipeline))
      board_->drop(check_name(pipeline));
  for (const auto& [pipeline, why] : troubled) {
    auto known = posted_.find(pipeline);
    if (known != posted_.end() && known->second == why)
      continue;
    board_->set(check_name(pipeline), false, why);
    log::warn("pipeline-outdated",
              {{"pipeline", pipeline},
               {"reason", why},
               {"mend", "the configuration is read again every 5 s, and on "
                        "SIGHUP: put one that fits on this node"}});
  }
  posted_ = troubled;
}

void tree_keeper::keep_old(const std::string& why) {
  if (why != std::exchange(kept_why_, why))
    log::error("reload-refused", {{"reason", why}});
}

} // namespace millrace
