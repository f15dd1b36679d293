#include "nodes/coordination.hpp"

#include "actors/coordinator/coordinator.hpp"
#include "actors/coordinator/lease_migrations.hpp"
#include "actors/coordinator/partition_roller.hpp"
#include "nodes/prepare.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// Stopping may have to wait for a question that the server does not answer.
constexpr auto stop_grace = 15s;

/// Of a task: what it does may take as long as it needs.
session_config task_session(const postgresql_config& database) {
  auto result = make_session_config(database);
  result.statement_timeout = 0ms;
  result.transaction_timeout = 0ms;
  return result;
}

/// For questions about one row, that must be answered within a term.
session_config lease_session(const postgresql_config& database,
                             std::chrono::milliseconds term) {
  auto result = make_session_config(database);
  result.application_name = "millrace coordinator";
  result.connect_timeout = std::min(result.connect_timeout, 2'000ms);
  result.statement_timeout = std::min(term / 2, 5'000ms);
  result.lock_timeout = result.statement_timeout;
  // A candidate that is stopped must not keep the row from the others.
  result.idle_in_transaction_timeout = result.statement_timeout;
  result.transaction_timeout = term;
  return result;
}

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

/// What is declared for tables of the database's tenants, each table once.
std::vector<partition_policy> policies_of(const config& all,
                                          const postgresql_config& database) {
  std::vector<partition_policy> result;
  for (const auto& pipeline : all.pipelines) {
    if (pipeline.partitioning == partitioning_kind::hypertable)
      continue;
    for (const auto* tenant : tenants_of(all, pipeline, database.name))
      for (const auto& rules : pipeline.partitions)
        for (const auto& table : rules.tables)
          if (std::ranges::none_of(result, [&](const partition_policy& x) {
                return x.schema == tenant->schema && x.table == table;
              }))
            result.push_back({tenant->schema, table, rules});
  }
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
  // Shorter than a flush waits: a writer that comes in between must not fail.
  auto lock_timeout = std::min(database.lock_timeout / 2, 2'000ms);
  result.work = partitions_in_term(std::move(policies), lock_timeout);
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
