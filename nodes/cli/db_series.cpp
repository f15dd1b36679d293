#include "nodes/cli/db_series.hpp"

#include "actors/store/sql_text.hpp"
#include "nodes/shares.hpp"

#include <algorithm>

namespace millrace::cli {

namespace {

series_table& series_at(std::vector<series_table>& all,
                        const tenant_config& tenant, const std::string& table) {
  auto i = std::ranges::find_if(all, [&](const series_table& x) {
    return x.schema == tenant.schema && x.table == table;
  });
  return i != all.end() ? *i
                        : all.emplace_back(tenant.name, tenant.schema, table);
}

} // namespace

std::string to_string(const series_table& x) {
  return x.schema + '.' + x.table;
}

std::vector<series_table> series_of(const config& all,
                                    const postgresql_config& database,
                                    std::string_view tenant) {
  std::vector<series_table> result;
  for (const auto& pipeline : all.pipelines)
    for (const auto* one : tenants_of(all, pipeline, database.name)) {
      if (!tenant.empty() && one->name != tenant)
        continue;
      for (const auto& x : pipeline.series)
        for (const auto& table : x.tables)
          if (auto& at = series_at(result, *one, table); at.says.tables.empty())
            at.says = x;
      for (const auto& x : pipeline.partitions)
        for (const auto& table : x.tables)
          if (auto& at = series_at(result, *one, table); !at.rules)
            at.rules = x;
    }
  // By itself that makes no table one to be cleaned: an audit log is none.
  for (const auto& x : all.partitions)
    for (const auto* one : chosen_tenants(all, x.tenants, database.name))
      for (auto& at : result)
        if (at.schema == one->schema && !at.rules
            && std::ranges::contains(x.tables, at.table))
          at.rules = x;
  return result;
}

std::optional<std::string> time_expression(std::string_view column,
                                           std::string_view type) {
  auto name = quote_identifier(column);
  if (type == "timestamp with time zone")
    return name;
  if (type == "timestamp without time zone")
    return '(' + name + " AT TIME ZONE 'UTC')";
  if (type == "date")
    return '(' + name + "::timestamp AT TIME ZONE 'UTC')";
  if (type == "bigint")
    return "to_timestamp(" + name + " / 1000.0)";
  return std::nullopt;
}

} // namespace millrace::cli
