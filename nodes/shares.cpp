#include "nodes/shares.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// The pipeline's tenant when it is a constant, else empty.
std::string_view constant_of(const pipeline_config& pipeline) {
  std::string_view text = pipeline.tenant.text;
  auto constant = text.size() >= 2 && text.front() == '\''
                  && text.find('\'', 1) == text.size() - 1;
  return constant ? text.substr(1, text.size() - 2) : std::string_view{};
}

} // namespace

std::vector<const tenant_config*> tenants_of(const config& all,
                                             const pipeline_config& pipeline,
                                             std::string_view database) {
  auto constant = constant_of(pipeline);
  std::vector<const tenant_config*> result;
  for (const auto& x : all.tenants)
    if (x.database == database && (constant.empty() || constant == x.name))
      result.push_back(&x);
  return result;
}

bool is_read_for(const config& all, const pipeline_config& pipeline,
                 std::string_view database) {
  if (!tenants_of(all, pipeline, database).empty())
    return true;
  auto constant = constant_of(pipeline);
  return database == control_database
         && (constant.empty()
             || !std::ranges::contains(all.tenants, constant,
                                       &tenant_config::name));
}

std::optional<record_share> share_of(const config& all,
                                     const pipeline_config& pipeline,
                                     std::string_view database) {
  record_share result;
  result.unrouted = database == control_database;
  for (const auto* x : all_databases(all))
    if (x->name != database)
      for (const auto* tenant : tenants_of(all, pipeline, x->name))
        result.elsewhere.push_back({tenant->name});
  if (result.unrouted && result.elsewhere.empty())
    return std::nullopt;
  return result;
}

} // namespace millrace
