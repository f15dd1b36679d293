#include "nodes/tenant_tables.hpp"

#include "actors/store/catalog.hpp"
#include "config/backfills.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace {

namespace {

/// Schema and name of a write's table for one tenant.
std::pair<std::string, std::string> qualify(const std::string& table,
                                            const tenant_config& tenant) {
  auto dot = table.find('.');
  if (dot == std::string::npos)
    return {tenant.schema, table};
  return {table.substr(0, dot), table.substr(dot + 1)};
}

std::expected<std::vector<table_schema>, prepare_failure>
read_tables(connection& conn, const pipeline_config& pipeline,
            const tenant_config& tenant) {
  std::vector<table_schema> result;
  prepare_failure failure;
  for (const auto& event : pipeline.events)
    for (const auto& write : event.writes) {
      auto [schema, name] = qualify(write.table, tenant);
      auto known = std::ranges::any_of(result, [&](const table_schema& x) {
        return x.schema == schema && x.name == name;
      });
      if (known)
        continue;
      auto table = read_table_schema(conn, schema, name);
      if (table)
        result.push_back(std::move(*table));
      else if (table.error().code == store_errc::misconfigured)
        failure.problems.push_back(to_string(write.at) + ": pipeline."
                                   + pipeline.name + ": "
                                   + table.error().message);
      else
        return cannot_prepare(table.error(),
                              "reading table " + schema + '.' + name);
    }
  if (!failure.problems.empty())
    return std::unexpected{std::move(failure)};
  return result;
}

write_method method_of(write_kind x) {
  switch (x) {
    case write_kind::append:
      break;
    case write_kind::upsert:
      return write_method::upsert;
    case write_kind::update:
    case write_kind::soft_delete:
      return write_method::update;
    case write_kind::remove:
      return write_method::remove;
  }
  return write_method::append;
}

missing_row policy_of(const write_config& x) {
  switch (missing_policy_of(x)) {
    case missing_policy::reject:
      return missing_row::reject;
    case missing_policy::ignore:
      return missing_row::ignore;
    default:
      return missing_row::wait;
  }
}

/// What is said of a table in the tenant's schema.
std::optional<late_rule>
late_rule_of(const config& all, const pipeline_config& pipeline,
             const tenant_config& tenant, const write_target& target) {
  const auto* rules = target.schema == tenant.schema
                        ? partition_rules(all, pipeline, target.table)
                        : nullptr;
  if (!rules || rules->late != late_rows::reject)
    return std::nullopt;
  return late_rule{rules->keep, rules->timezone};
}

} // namespace

std::expected<program_ptr, prepare_failure>
compile_for(connection& conn, const pipeline_config& pipeline,
            const tenant_config& tenant) {
  auto tables = read_tables(conn, pipeline, tenant);
  if (!tables)
    return std::unexpected{tables.error()};
  auto program = compile(pipeline, *tables);
  if (program)
    return *program;
  return cannot_prepare(program.error());
}

write_plan_ptr plan_for(const config& all, const pipeline_config& pipeline,
                        const program& compiled, const tenant_config& tenant) {
  std::vector<write_target> targets;
  std::vector<const write_config*> as_written;
  for (const auto& event : pipeline.events)
    for (const auto& write : event.writes)
      as_written.push_back(&write);
  for (std::size_t i = 0; i < compiled.writes().size(); ++i) {
    const auto& write = compiled.writes()[i];
    write_target target;
    target.coordinates = coordinate_columns(compiled, i);
    std::tie(target.schema, target.table) = qualify(write.table, tenant);
    target.method = method_of(write.kind);
    for (const auto& column : write.columns) {
      target.columns.push_back(column.name);
      target.types.push_back(std::to_string(column.type_oid) + ':'
                             + std::to_string(column.typmod));
    }
    for (auto column : write.key)
      target.key.push_back(write.columns[column].name);
    if (write.guard >= 0)
      target.only_if_newer
        = write.columns[static_cast<std::size_t>(write.guard)].name;
    target.on_missing = policy_of(*as_written.at(i));
    target.always = as_written[i]->always;
    target.late = late_rule_of(all, pipeline, tenant, target);
    targets.push_back(std::move(target));
  }
  return make_write_plan(pipeline.name, tenant.name, compiled.shape(), targets);
}

} // namespace millrace
