#include "nodes/reload.hpp"

#include "actors/cluster/directory.hpp"
#include "actors/cluster/log.hpp"
#include "actors/store/map_change.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace {

namespace {

/// Between looks at the configuration while a pipeline waits for its map.
constexpr std::chrono::seconds look_interval{5};

std::string check_name(const std::string& pipeline) {
  return "map of pipeline " + pipeline;
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
/// readings.
bool brings_map(const config& next,
                const std::map<std::string, std::string>& troubled) {
  auto brings = [&](const postgresql_config& database) {
    std::vector<const pipeline_config*> wanted;
    for (const auto& x : next.pipelines)
      if (troubled.contains(reading_name(x.name, database.name)))
        wanted.push_back(&x);
    if (wanted.empty())
      return false;
    auto conn = connection::open(make_session_config(database));
    if (!conn)
      return false;
    map_changes maps{*conn, {}};
    return std::ranges::any_of(wanted, [&](const pipeline_config* x) {
      auto prepared = prepare_pipeline(*conn, next, database, *x);
      auto stored = maps.stored(x->name);
      return prepared && stored && *stored
             && (*stored)->fingerprint == prepared->map_fingerprint
             && (*stored)->lanes == x->lanes;
    });
  };
  return std::ranges::any_of(all_databases(next),
                             [&](const auto* x) { return brings(*x); });
}

/// Why the databases cannot be used as the configuration says. One that does
/// not answer is no reason: it is waited for, as at a start.
std::optional<std::string> unusable(const config& next) {
  for (const auto* x : all_databases(next))
    if (auto ready = prepare(next, *x); !ready && !ready.error().passing)
      return ready.error().problems.front();
  return std::nullopt;
}

} // namespace

// -- pipelines with another map -----------------------------------------------

void other_maps::note(const std::string& pipeline, const std::string& why) {
  std::lock_guard guard{mutex_};
  pipelines_[pipeline] = why;
}

std::map<std::string, std::string> other_maps::all() const {
  std::lock_guard guard{mutex_};
  return pipelines_;
}

void other_maps::clear() {
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

void tree_keeper::begin(const config& all, const placement_ptr& where) {
  databases_.reset();
  running_.all = std::make_shared<const config>(all);
  running_.where = where;
  running_.credit = make_credit(all);
  running_.on_other_map = [others = others_](const std::string& reading,
                                             const std::string& why) {
    others->note(reading, why);
  };
  children_ = plant_tree(root_, running_);
  databases_.emplace(
    *running_.all, board_,
    [now = running_.all](const auto& x) { return prepare(*now, x); },
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
  log::info("database-ready",
            {{"database", database.name}, {"pipelines", pipelines.size()}});
}

void tree_keeper::look(bool asked) {
  auto troubled = others_->all();
  post(troubled);
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
  if (!asked && !brings_map(*next, troubled))
    return;
  if (auto why = unusable(*next)) {
    keep_old(*why);
    return;
  }
  log::info("node-reloading", {{"asked", asked}});
  if (!uproot_tree(sys_, root_, children_))
    log::warn("node-abandons-actors", {{"cause", "reload"}});
  clear_directory(sys_);
  others_->clear();
  post({});
  kept_why_.clear();
  begin(*next,
        std::make_shared<const placement>(next->cluster, next->node.name));
  log::info("node-reloaded", {{"pipelines", next->pipelines.size()}});
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
    log::warn("pipeline-has-other-map",
              {{"pipeline", pipeline},
               {"reason", why},
               {"mend", "put the configuration with that map on this node: it "
                        "is looked at every 5 s, and on SIGHUP"}});
  }
  posted_ = troubled;
}

void tree_keeper::keep_old(const std::string& why) {
  if (why != std::exchange(kept_why_, why))
    log::error("reload-refused", {{"reason", why}});
}

} // namespace millrace
