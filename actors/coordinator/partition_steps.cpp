#include "actors/coordinator/partition_steps.hpp"

#include "actors/coordinator/partition_archive.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Of what is detached.
partition_step removal(const partition_policy& policy, const known_table& table,
                       const old_partition& x) {
  partition_step result{x.name, {"drop"}, {}, {drop_statement(x)}};
  if (!policy.rules.archive.empty()) {
    result.actions.insert(result.actions.begin(), "archive");
    result.statements.insert(result.statements.begin(),
                             archive_statement(x, table.columns));
  }
  return result;
}

partition_step end_of(const partition_policy& policy, const known_table& table,
                      const begun_removal& x) {
  auto result = removal(policy, table, x.what);
  if (!x.detached) {
    result.actions.insert(result.actions.begin(), "detach");
    result.statements.insert(result.statements.begin(),
                             detach_statement(policy, x.what, "FINALIZE"));
  }
  return result;
}

} // namespace

std::vector<partition_step>
steps_of(const partition_policy& policy, const known_table& table,
         const std::vector<begun_removal>& begun, const partition_plan& plan) {
  auto has_default = std::ranges::any_of(table.partitions,
                                         &known_partition::is_default);
  std::vector<partition_step> result;
  for (const auto& x : begun)
    if (x.there)
      result.push_back(end_of(policy, table, x));
  for (const auto& x : plan.make) {
    partition_step step{x.name, {"make"}, x.range, {}};
    if (has_default)
      step.actions.push_back("drain");
    step.actions.push_back("attach");
    step.statements = make_statements(policy, table, x);
    result.push_back(std::move(step));
  }
  if (plan.make_default) {
    has_default = true;
    result.push_back({*plan.make_default,
                      {"make", "attach"},
                      {},
                      default_statements(policy, *plan.make_default)});
  }
  for (const auto& x : plan.drop) {
    if (table.is_hypertable()) {
      result.push_back(
        {x.name, {"drop"}, {}, {drop_chunks_statement(policy, table, x)}});
      continue;
    }
    auto step = removal(policy, table, x);
    step.actions.insert(step.actions.begin(), "detach");
    step.statements.insert(step.statements.begin(),
                           detach_statement(policy, x,
                                            has_default ? "" : "CONCURRENTLY"));
    result.push_back(std::move(step));
  }
  return result;
}

} // namespace millrace
