#include "nodes/coordinator_settings.hpp"

#include "nodes/prepare.hpp"
#include "nodes/shares.hpp"

#include <algorithm>

namespace millrace {

using namespace std::chrono_literals;

session_config task_session(const postgresql_config& database) {
  auto result = make_session_config(database);
  result.statement_timeout = 0ms;
  result.transaction_timeout = 0ms;
  return result;
}

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

std::vector<partition_policy> policies_of(const config& all,
                                          const postgresql_config& database) {
  std::vector<partition_policy> result;
  auto add = [&](const partition_config& rules, const tenant_config& tenant,
                 const std::string& pipeline) {
    for (const auto& table : rules.tables)
      if (std::ranges::none_of(result, [&](const partition_policy& x) {
            return x.schema == tenant.schema && x.table == table;
          }))
        result.push_back({tenant.schema, table, rules, pipeline, tenant.name});
  };
  for (const auto& pipeline : all.pipelines)
    for (const auto* tenant : tenants_of(all, pipeline, database.name))
      for (const auto& rules : pipeline.partitions)
        add(rules, *tenant, pipeline.name);
  for (const auto& rules : all.partitions)
    for (const auto* tenant : chosen_tenants(all, rules.tenants, database.name))
      add(rules, *tenant, {});
  return result;
}

std::chrono::milliseconds
partition_lock_timeout(const postgresql_config& database) {
  return std::min(database.lock_timeout / 2, 2'000ms);
}

} // namespace millrace
