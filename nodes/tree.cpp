#include "nodes/tree.hpp"

#include "actors/admin/admin.hpp"
#include "actors/admin/metrics.hpp"
#include "actors/cluster/directory.hpp"
#include "actors/cluster/network.hpp"
#include "actors/cluster/peers.hpp"
#include "actors/cluster/router.hpp"
#include "actors/lane/lane_writer.hpp"
#include "actors/source/source.hpp"
#include "actors/store/keeper.hpp"
#include "actors/store/pool.hpp"
#include "config/values.hpp"
#include "nodes/coordination.hpp"
#include "nodes/waiting_mapper.hpp"

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <ranges>
#include <utility>

namespace millrace {

namespace {

/// Sessions for questions about lanes and floors, and for `_unrouted`.
constexpr int32_t control_sessions = 2;

/// The pool that runs the statements that are no tenant's own.
std::string control_pool(std::string_view database) {
  return database == control_database ? std::string{unrouted_tenant}
                                      : "@" + std::string{database};
}

// -- children -----------------------------------------------------------------

child_spec router_child() {
  child_spec result;
  result.name = "router";
  result.factory = [](caf::local_actor* self) {
    auto x = spawn_router(self);
    publish_router(self->system(), x);
    return caf::actor_cast<caf::actor>(x);
  };
  return result;
}

/// A database and what its pools share.
struct pool_place {
  const postgresql_config& database;
  std::shared_ptr<session_slots> slots;
  std::shared_ptr<session_slots> flushes;
};

pool_place place_of(const postgresql_config& database) {
  auto slots = [](int32_t number) {
    return std::make_shared<session_slots>(static_cast<uint32_t>(number));
  };
  return {database, slots(database.max_sessions), slots(database.max_flushes)};
}

child_spec pool_child(const pool_place& where, const std::string& tenant,
                      int32_t sessions, const std::string& role = {}) {
  const auto& database = where.database;
  pool_config settings;
  settings.tenant = tenant;
  settings.database = database.name;
  settings.sessions = static_cast<uint32_t>(sessions);
  settings.slots = where.slots;
  settings.flushes = where.flushes;
  settings.idle_timeout = database.session_idle_timeout;
  settings.session = make_session_config(database, role);
  child_spec result;
  result.name = "pool";
  result.factory = [settings](caf::local_actor* self) {
    auto x = spawn_pool(self, settings);
    publish_pool(self->system(), settings.tenant, x);
    return caf::actor_cast<caf::actor>(x);
  };
  return result;
}

/// By pipeline: how its waiting events are mapped again.
using mapper_makers = std::map<std::string, std::function<waiting_mapper()>>;

child_spec lane_child(const config& all, const prepared_pipeline& pipeline,
                      const mapper_makers& mappers, const std::string& tenant,
                      int32_t number, const outdated_hook& on_outdated) {
  lane_writer_config settings;
  settings.lane = {pipeline.config.name, tenant, shard{number}};
  settings.plan = pipeline.plans.at(tenant);
  settings.node = all.node.name;
  settings.on_other_columns =
    [on_outdated, name = reading_name(pipeline.config.name, pipeline.database)](
      const std::string& why) {
      if (on_outdated)
        on_outdated(name, why);
    };
  // All that comes to `_unrouted` is a reject: nothing can be wrong with it.
  settings.limits.max_reject_ratio
    = tenant == unrouted_tenant ? 1 : pipeline.config.max_reject_ratio;
  const auto& limits = pipeline.config.limits;
  settings.limits.flush_bytes = static_cast<std::size_t>(limits.flush_bytes);
  settings.limits.queue_bytes = std::max(settings.limits.queue_bytes,
                                         2 * settings.limits.flush_bytes);
  if (tenant != unrouted_tenant) {
    settings.writes = settings.plan->traits;
    settings.waiting.make_mapper = mappers.at(pipeline.config.name);
    settings.waiting.map = {pipeline.map_fingerprint, pipeline.config.lanes};
  }
  settings.waiting.keep = all.waiting.keep;
  settings.waiting.retry_first = all.waiting.retry_first;
  settings.waiting.retry_max = all.waiting.retry_max;
  settings.limits.waiting_events
    = static_cast<std::size_t>(all.waiting.max_events);
  settings.limits.waiting_bytes = all.waiting.max_bytes;
  child_spec result;
  result.name = to_string(settings.lane);
  result.factory = [settings](caf::local_actor* self) {
    auto& sys = self->system();
    return spawn_lane_writer(self, settings,
                             find_pool(sys, settings.lane.tenant),
                             find_router(sys));
  };
  return result;
}

/// TENANT: its pool, then its lanes on this node in all pipelines.
child_spec tenant_child(const config& all, const pool_place& pools,
                        const placement& where,
                        const std::vector<prepared_pipeline>& pipelines,
                        const mapper_makers& mappers, const std::string& tenant,
                        int32_t sessions, const std::string& role,
                        const outdated_hook& on_outdated) {
  supervisor_config settings;
  settings.name = "tenant " + tenant;
  settings.children.push_back(pool_child(pools, tenant, sessions, role));
  for (const auto& pipeline : pipelines) {
    if (!pipeline.plans.contains(tenant))
      continue;
    auto lanes = tenant == unrouted_tenant ? 1 : pipeline.config.lanes;
    for (int32_t i = 0; i < lanes; ++i)
      if (where.has_lane(pipeline.config.name, tenant, i))
        settings.children.push_back(
          lane_child(all, pipeline, mappers, tenant, i, on_outdated));
  }
  // All lanes end with their pool: that is one failure, not many. Short delays
  // keep the window, which must hold them all, short as well.
  settings.backoff.max = std::chrono::seconds{2};
  settings.limit.max_restarts += 3 * settings.children.size();
  settings.limit.window += settings.backoff.max
                           * static_cast<int>(settings.limit.max_restarts);
  auto result = supervisor_child(std::move(settings));
  // One tenant's trouble must not stop the node.
  result.on_limit = limit_reaction::park;
  return result;
}

/// DATABASE: the pool for questions about its lanes and floors. In the control
/// database `_unrouted` has it.
child_spec database_child(const pool_place& pools) {
  supervisor_config settings;
  settings.name = "database " + pools.database.name;
  settings.children.push_back(
    pool_child(pools, control_pool(pools.database.name), control_sessions));
  auto result = supervisor_child(std::move(settings));
  result.on_limit = limit_reaction::park;
  return result;
}

/// Whether the tenant has a lane of some pipeline on this node.
bool has_lanes(const placement& where,
               const std::vector<prepared_pipeline>& pipelines,
               const std::string& tenant) {
  for (const auto& pipeline : pipelines)
    if (pipeline.plans.contains(tenant))
      for (int32_t i = 0; i < pipeline.config.lanes; ++i)
        if (where.has_lane(pipeline.config.name, tenant, i))
          return true;
  return false;
}

/// PIPELINE, one for each database: its SOURCE, which adds a child for each
/// partition.
child_spec pipeline_child(const config& all, const placement_ptr& where,
                          const prepared_pipeline& pipeline,
                          const tenant_credit& credit,
                          const outdated_hook& on_outdated) {
  auto from = source_settings(all, where, pipeline, credit);
  from.on_other_map = on_outdated;
  child_spec source_child;
  source_child.name = "source";
  source_child.factory
    = [settings = std::move(from),
       pool = control_pool(pipeline.database)](caf::local_actor* self) {
        auto parent = caf::actor_cast<supervisor_actor>(self);
        return spawn_source(self, settings, find_pool(self->system(), pool),
                            parent);
      };
  supervisor_config settings;
  settings.name = "pipeline "
                  + reading_name(pipeline.config.name, pipeline.database);
  settings.children.push_back(std::move(source_child));
  auto result = supervisor_child(std::move(settings));
  result.on_limit = limit_reaction::park;
  result.stop_grace += std::chrono::seconds{5};
  return result;
}

/// What this node says of itself to others.
peer_hello introduction(const config& all, const placement& where) {
  peer_hello result;
  result.node = all.node.name;
  result.placement_fingerprint = where.fingerprint();
  std::vector<std::string> tenants;
  for (const auto& x : all.tenants)
    tenants.push_back(x.name);
  for (const auto& x : all.pipelines)
    if (auto program = compile_routing(x))
      result.pipelines.push_back(
        {x.name, map_fingerprint(**program, tenants), x.lanes});
  std::ranges::sort(result.pipelines, {}, &peer_pipeline::name);
  return result;
}

/// CLUSTER: NETWORK and PEERS.
child_spec cluster_child(const config& all, const placement_ptr& where) {
  peers_config settings;
  settings.me = introduction(all, *where);
  settings.owner = [where](const lane_id& x) {
    return where->lane_owner(x.pipeline, x.tenant, x.number.value);
  };
  for (const auto& x : all.cluster.nodes) {
    auto address = parse_address(x.address).value_or(host_and_port{});
    if (x.node != all.node.name) {
      settings.others.push_back({x.node, address.host, address.port});
      continue;
    }
    settings.listen = all.node.cluster.listen.empty() ? address.host
                                                      : all.node.cluster.listen;
    settings.port = all.node.cluster.port == 0 ? address.port
                                               : all.node.cluster.port;
  }
  child_spec result;
  result.name = "peers";
  result.factory = [settings](caf::local_actor* self) mutable {
    auto& sys = self->system();
    settings.connected = peers_connected_gauge(sys);
    return spawn_peers(self, settings, find_router(sys), spawn_network(self));
  };
  return result;
}

child_spec admin_child(const config& all, const node_options& options,
                       std::shared_ptr<readiness_board> board) {
  admin_config settings;
  settings.http.host = all.node.admin.listen;
  settings.http.port = all.node.admin.port;
  settings.node = all.node.name;
  settings.version = options.version;
  settings.port_file = options.port_file;
  child_spec result;
  result.name = "admin";
  result.factory = [settings, board](caf::local_actor* self) {
    return spawn_admin(self, settings, admin_wiring{self->address(), board});
  };
  return result;
}

child_spec keeper_child(const config& all, const postgresql_config& database) {
  keeper_config settings;
  settings.database = database.name;
  settings.session = make_session_config(database);
  settings.session.application_name = "millrace keeper";
  // A look at very many dead letters takes as long as it needs.
  settings.session.statement_timeout = std::chrono::milliseconds{0};
  settings.session.transaction_timeout = std::chrono::milliseconds{0};
  settings.rules = {all.dead_letters.keep.count(), all.dead_letters.max_bytes};
  settings.interval = all.dead_letters.prune_interval;
  settings.node = all.node.name;
  child_spec result;
  result.name = database.name == control_database ? "keeper"
                                                  : "keeper " + database.name;
  result.factory = [settings](caf::local_actor* self) {
    return spawn_keeper(self, settings);
  };
  result.on_limit = limit_reaction::park;
  return result;
}

/// More than any child's own limit.
constexpr std::chrono::seconds uproot_patience{60};

void add(const supervisor_actor& root, std::vector<std::string>& names,
         child_spec child) {
  names.push_back(child.name);
  caf::anon_send(root, add_child_atom_v,
                 std::make_shared<const child_spec>(std::move(child)));
}

} // namespace

supervisor_config
root_config(const config& all, const node_options& options,
            std::shared_ptr<readiness_board> board,
            std::function<void(const std::string&)> on_escalation) {
  supervisor_config result;
  result.name = "node";
  result.children.push_back(admin_child(all, options, std::move(board)));
  result.on_escalation = std::move(on_escalation);
  result.inspect_timeout = std::chrono::milliseconds{1'500};
  return result;
}

std::vector<std::string> plant_tree(const supervisor_actor& root,
                                    const planting& what) {
  std::vector<std::string> names;
  add(root, names, router_child());
  if (!what.where->alone())
    add(root, names, cluster_child(*what.all, what.where));
  return names;
}

std::vector<std::string>
plant_database(caf::actor_system& sys, const supervisor_actor& root,
               const planting& what, const postgresql_config& database,
               const std::vector<prepared_pipeline>& pipelines) {
  const auto& all = *what.all;
  const auto& where = what.where;
  std::vector<std::string> names;
  auto pools = place_of(database);
  mapper_makers mappers;
  for (const auto& pipeline : pipelines)
    mappers[pipeline.config.name] = make_waiting_mapper(pipeline);
  if (database.name == control_database)
    add(root, names,
        tenant_child(all, pools, *where, pipelines, mappers,
                     std::string{unrouted_tenant}, control_sessions, {},
                     what.on_outdated));
  else
    add(root, names, database_child(pools));
  for (const auto& tenant : all.tenants)
    if (tenant.database == database.name
        && has_lanes(*where, pipelines, tenant.name))
      add(root, names,
          tenant_child(all, pools, *where, pipelines, mappers, tenant.name,
                       tenant.sessions, tenant.role, what.on_outdated));
  if (all.dead_letters.prune_interval > std::chrono::milliseconds{0})
    add(root, names, keeper_child(all, database));
  if (all.coordinator.stand_by)
    add(root, names, coordinator_child(all, database));
  // A supervisor that answers has started its children: from here on the
  // pools can be found.
  caf::scoped_actor self{sys};
  self->request(root, std::chrono::seconds{5}, inspect_atom_v)
    .receive([](const actor_report&) {}, [](const caf::error&) {});
  for (const auto& pipeline : pipelines)
    add(root, names,
        pipeline_child(all, where, pipeline, what.credit, what.on_outdated));
  return names;
}

bool uproot_tree(caf::actor_system& sys, const supervisor_actor& root,
                 const std::vector<std::string>& children) {
  caf::scoped_actor self{sys};
  auto result = true;
  for (const auto& name : children | std::views::reverse)
    self->request(root, uproot_patience, remove_child_atom_v, name)
      .receive([] {}, [&](const caf::error&) { result = false; });
  return result;
}

} // namespace millrace
