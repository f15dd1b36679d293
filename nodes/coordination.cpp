#include "nodes/coordination.hpp"

#include "actors/coordinator/coordinator.hpp"
#include "actors/coordinator/lease_migrations.hpp"
#include "actors/coordinator/partition_roller.hpp"
#include "nodes/coordinator_settings.hpp"
#include "nodes/prepare.hpp"

#include <utility>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// Stopping may have to wait for a question that the server does not answer.
constexpr auto stop_grace = 15s;

coordinator_task_config migrator_task(const config& all,
                                      const postgresql_config& database) {
  coordinator_task_config result;
  result.name = "migrator";
  result.database = database.name;
  result.session = task_session(database);
  result.work = migrations_in_term(migration_jobs(all, database),
                                   database.lock_timeout);
  return result;
}

coordinator_task_config roller_task(const config& all,
                                    const postgresql_config& database,
                                    std::vector<partition_policy> policies) {
  coordinator_task_config result;
  result.name = "partition roller";
  result.database = database.name;
  result.session = task_session(database);
  result.interval = all.coordinator.partition_interval;
  result.for_missed_partitions = true;
  result.work = partitions_in_term(std::move(policies),
                                   partition_lock_timeout(database),
                                   "node " + all.node.name);
  return result;
}

} // namespace

child_spec coordinator_child(const config& all,
                             const postgresql_config& database) {
  coordinator_config settings;
  settings.database = database.name;
  settings.node = all.node.name;
  settings.timing = timing_for(all.coordinator.lease);
  settings.session = lease_session(database, settings.timing.term);
  if (database.auto_migrate)
    settings.tasks.push_back(migrator_task(all, database));
  if (auto policies = policies_of(all, database); !policies.empty())
    settings.tasks.push_back(roller_task(all, database, std::move(policies)));
  child_spec result;
  result.name = database.name == control_database
                  ? "coordinator"
                  : "coordinator " + database.name;
  result.factory = [settings](caf::local_actor* self) {
    return spawn_coordinator(self, settings);
  };
  result.on_limit = limit_reaction::park;
  result.stop_grace = stop_grace;
  return result;
}

} // namespace millrace
