#include "nodes/prepare.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/migrator.hpp"
#include "actors/source/partition_feed.hpp"
#include "actors/store/catalog.hpp"
#include "actors/store/connection.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// False when the pipeline's tenant is a constant and another one. Its tables
/// have no business in that tenant's schema.
bool may_serve(const pipeline_config& pipeline, const tenant_config& tenant) {
  std::string_view text = pipeline.tenant.text;
  auto constant = text.size() >= 2 && text.front() == '\''
                  && text.find('\'', 1) == text.size() - 1;
  return !constant || text.substr(1, text.size() - 2) == tenant.name;
}

using problems = std::vector<std::string>;

std::unexpected<prepare_failure> fail(std::string text) {
  return std::unexpected{prepare_failure{false, {std::move(text)}}};
}

std::unexpected<prepare_failure> fail(const store_error& x,
                                      const std::string& doing) {
  auto passing = x.code == store_errc::unavailable
                 || x.code == store_errc::retry
                 || x.code == store_errc::back_off;
  auto text = doing + ": " + x.message;
  if (!x.sqlstate.empty())
    text += " (" + x.sqlstate + ')';
  return std::unexpected{prepare_failure{passing, {std::move(text)}}};
}

std::expected<void, prepare_failure> migrate(connection& conn,
                                             const config& all) {
  migrator worker{conn, all.postgresql.lock_timeout};
  problems pending;
  for (const auto& x : migration_jobs(all)) {
    auto files = load_embedded_migrations(x.set);
    if (!files)
      return fail(files.error());
    if (all.postgresql.auto_migrate) {
      auto report = worker.up(*files, x.target);
      if (!report)
        return fail("migrations of '" + x.set + "' in schema '"
                    + x.target.schema + "': " + report.error());
      if (!report->applied.empty())
        log::info("migrated", {{"set", x.set},
                               {"schema", x.target.schema},
                               {"applied", report->applied.size()},
                               {"ms", report->duration.count()}});
      continue;
    }
    auto status = worker.status(*files, x.target);
    if (!status)
      return fail(status.error());
    auto missing = std::ranges::count(*status, migration_state::pending,
                                      &migration_status::state);
    if (missing > 0)
      pending.push_back("schema '" + x.target.schema + "' lacks "
                        + std::to_string(missing) + " migration(s) of '" + x.set
                        + "': run 'millrace migrate up', or set "
                          "postgresql.auto_migrate = true");
  }
  if (!pending.empty())
    return std::unexpected{prepare_failure{false, std::move(pending)}};
  return {};
}

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
        return fail(table.error(), "reading table " + schema + '.' + name);
    }
  if (!failure.problems.empty())
    return std::unexpected{std::move(failure)};
  return result;
}

std::expected<program_ptr, prepare_failure>
compile_for(connection& conn, const pipeline_config& pipeline,
            const tenant_config& tenant) {
  auto tables = read_tables(conn, pipeline, tenant);
  if (!tables)
    return std::unexpected{tables.error()};
  auto program = compile(pipeline, *tables);
  if (program)
    return *program;
  prepare_failure failure;
  for (const auto& x : program.error())
    failure.problems.push_back(to_string(x));
  return std::unexpected{std::move(failure)};
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

write_plan_ptr plan_for(const pipeline_config& pipeline,
                        const program& compiled, const tenant_config& tenant) {
  std::vector<write_target> targets;
  for (std::size_t i = 0; i < compiled.writes().size(); ++i) {
    const auto& write = compiled.writes()[i];
    write_target target;
    target.coordinates = coordinate_columns(compiled, i);
    std::tie(target.schema, target.table) = qualify(write.table, tenant);
    target.method = method_of(write.kind);
    for (const auto& column : write.columns)
      target.columns.push_back(column.name);
    for (auto column : write.key)
      target.key.push_back(write.columns[column].name);
    if (write.guard >= 0)
      target.only_if_newer
        = write.columns[static_cast<std::size_t>(write.guard)].name;
    targets.push_back(std::move(target));
  }
  return make_write_plan(pipeline.name, tenant.name, compiled.shape(), targets);
}

} // namespace

std::string migration_set_of(const pipeline_config& pipeline) {
  if (pipeline.pack.empty())
    return {};
  if (pipeline.partitioning == partitioning_kind::hypertable)
    return pipeline.pack + "-hypertable";
  return pipeline.pack;
}

std::vector<migration_job> migration_jobs(const config& all) {
  std::vector<migration_job> result{{"control", {"millrace", std::nullopt}}};
  for (const auto& pipeline : all.pipelines) {
    auto set = migration_set_of(pipeline);
    if (set.empty())
      continue;
    for (const auto& tenant : all.tenants) {
      if (!may_serve(pipeline, tenant))
        continue;
      auto known = std::ranges::any_of(result, [&](const migration_job& x) {
        return x.set == set && x.target.schema == tenant.schema;
      });
      if (!known)
        result.push_back({set, {tenant.schema, tenant.name}});
    }
  }
  return result;
}

session_config make_session_config(const config& all) {
  const auto& x = all.postgresql;
  session_config result;
  result.keywords = libpq_keywords(x);
  result.application_name = "millrace";
  result.connect_timeout = x.connect_timeout;
  result.statement_timeout = x.statement_timeout;
  result.lock_timeout = x.lock_timeout;
  result.idle_in_transaction_timeout = x.idle_in_transaction_timeout;
  result.connection_check_interval = x.connection_check_interval;
  result.tcp_user_timeout = x.tcp_user_timeout;
  return result;
}

std::expected<prepared_pipeline, prepare_failure>
prepare_pipeline(connection& conn, const config& all,
                 const pipeline_config& pipeline) {
  prepared_pipeline result;
  result.config = pipeline;
  for (const auto& tenant : all.tenants) {
    if (!may_serve(pipeline, tenant))
      continue;
    auto program = compile_for(conn, pipeline, tenant);
    if (!program)
      return std::unexpected{program.error()};
    if (!result.program)
      result.program = *program;
    const auto& constant = result.program->constant_tenant();
    if (!constant.empty() && constant != tenant.name)
      continue;
    if ((*program)->shape() != result.program->shape())
      return fail(to_string(tenant.at) + ": tenant." + tenant.name
                  + ": its tables for pipeline '" + pipeline.name
                  + "' have other columns or types than those of tenant '"
                  + all.tenants.front().name
                  + "'; bring both schemas to the same migration");
    result.tenants.push_back({tenant.name, (*program)->shape()});
    result.plans[tenant.name] = plan_for(pipeline, **program, tenant);
  }
  if (result.tenants.empty())
    return fail(to_string(pipeline.tenant.at) + ": pipeline." + pipeline.name
                + ".tenant: found " + pipeline.tenant.text
                + ", expected the name of a [[tenant]]");
  auto columns = result.program->shape();
  result.tenants.push_back({std::string{unrouted_tenant}, columns});
  result.plans[std::string{unrouted_tenant}]
    = make_write_plan(pipeline.name, unrouted_tenant, columns, {});
  return result;
}

std::expected<std::vector<prepared_pipeline>, prepare_failure>
prepare(const config& all) {
  auto settings = make_session_config(all);
  settings.application_name = "millrace prepare";
  // A migration may take as long as it needs.
  settings.statement_timeout = std::chrono::milliseconds{0};
  settings.transaction_timeout = std::chrono::milliseconds{0};
  auto conn = connection::open(settings);
  if (!conn)
    return fail(conn.error(), "cannot connect to PostgreSQL");
  if (auto done = migrate(*conn, all); !done)
    return std::unexpected{done.error()};
  std::vector<prepared_pipeline> result;
  prepare_failure failure;
  for (const auto& pipeline : all.pipelines) {
    auto x = prepare_pipeline(*conn, all, pipeline);
    if (x) {
      result.push_back(std::move(*x));
    } else {
      failure.passing = failure.passing || x.error().passing;
      std::ranges::move(x.error().problems,
                        std::back_inserter(failure.problems));
    }
  }
  if (!failure.problems.empty())
    return std::unexpected{std::move(failure)};
  return result;
}

} // namespace millrace
