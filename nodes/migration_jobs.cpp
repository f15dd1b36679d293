// Which migrations a database needs, by the configuration alone.

#include "nodes/prepare.hpp"
#include "nodes/shares.hpp"

#include <algorithm>

namespace millrace {

std::string migration_set_of(const pipeline_config& pipeline) {
  if (pipeline.pack.empty())
    return {};
  if (pipeline.partitioning == partitioning_kind::hypertable)
    return pipeline.pack + "-hypertable";
  return pipeline.pack;
}

std::string section_of(const postgresql_config& x) {
  return x.name == control_database ? x.name : "database." + x.name;
}

std::vector<migration_job> migration_jobs(const config& all,
                                          const postgresql_config& database) {
  std::vector<migration_job> result{{"control", {"millrace", std::nullopt}}};
  for (const auto& pipeline : all.pipelines) {
    auto set = migration_set_of(pipeline);
    if (set.empty())
      continue;
    for (const auto* tenant : tenants_of(all, pipeline, database.name)) {
      auto known = std::ranges::any_of(result, [&](const migration_job& x) {
        return x.set == set && x.target.schema == tenant->schema;
      });
      if (!known)
        result.push_back({set, {tenant->schema, tenant->name}});
    }
  }
  for (const auto& own : all.migrations)
    for (const auto* tenant : chosen_tenants(all, own.tenants, database.name))
      result.push_back({own.set, {tenant->schema, tenant->name}, own.folder});
  return result;
}

} // namespace millrace
