#include "nodes/prepare.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/bring_up.hpp"
#include "actors/source/partition_feed.hpp"
#include "actors/store/connection.hpp"
#include "nodes/homes.hpp"
#include "nodes/session_room.hpp"
#include "nodes/shares.hpp"
#include "nodes/tenant_tables.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

using problems = std::vector<std::string>;

/// How a sentence names the database.
std::string text_of(const postgresql_config& x) {
  return x.name == control_database ? "PostgreSQL"
                                    : "database '" + x.name + '\'';
}

/// Nobody waits for the outcome any more.
bool is_told(const std::function<bool()>& stop) {
  return stop && stop();
}

std::unexpected<prepare_failure> interrupted() {
  return cannot_prepare("interrupted", true);
}

std::expected<void, prepare_failure>
migrate(connection& conn, const config& all, const postgresql_config& database,
        const std::vector<migration_job>& before,
        const std::function<bool()>& stop) {
  migrator_options options;
  options.lock_timeout = database.lock_timeout;
  options.stop = stop;
  options.tell = [&database](const std::string& doing) {
    log::info("migrating", {{"database", database.name}, {"doing", doing}});
  };
  migrator worker{conn, std::move(options)};
  problems pending;
  for (const auto& x : migration_jobs(all, database)) {
    if (std::ranges::contains(before, x))
      continue;
    if (is_told(stop))
      return interrupted();
    if (database.auto_migrate) {
      if (auto done = bring_up(worker, x); !done)
        return cannot_prepare("migrations of '" + x.set + "' in schema '"
                                + x.target.schema + "': " + done.error(),
                              !conn.is_open());
      continue;
    }
    auto files = files_of(x);
    if (!files)
      return cannot_prepare(files.error());
    auto status = worker.status(*files, x.target);
    if (!status)
      return cannot_prepare(status.error(), !conn.is_open());
    auto missing = std::ranges::count(*status, migration_state::pending,
                                      &migration_status::state);
    if (missing > 0)
      pending.push_back("schema '" + x.target.schema + "' lacks "
                        + std::to_string(missing) + " migration(s) of '" + x.set
                        + "': run 'millrace migrate up', or set "
                        + section_of(database) + ".auto_migrate = true");
  }
  if (!pending.empty())
    return std::unexpected{prepare_failure{false, std::move(pending)}};
  return {};
}

} // namespace

session_config make_session_config(const postgresql_config& x,
                                   const std::string& role) {
  session_config result;
  result.keywords = libpq_keywords(x);
  // At the log-in, so that there is no moment without it; the server refuses
  // the session when the login is no member.
  if (!role.empty())
    result.keywords.emplace_back("options", "-c role=" + role);
  result.application_name = "millrace";
  result.connect_timeout = x.connect_timeout;
  result.statement_timeout = x.statement_timeout;
  result.lock_timeout = x.lock_timeout;
  result.idle_in_transaction_timeout = x.idle_in_transaction_timeout;
  result.connection_check_interval = x.connection_check_interval;
  result.tcp_user_timeout = x.tcp_user_timeout;
  return result;
}

namespace {

/// Whether the login may take on the role. By itself, as a session of the
/// tenant would only find out later.
std::expected<void, prepare_failure> check_role(connection& conn,
                                                const tenant_config& tenant) {
  if (tenant.role.empty())
    return {};
  auto found = conn.query("SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles "
                          "WHERE rolname = $1",
                          {tenant.role});
  if (!found)
    return cannot_prepare(found.error(), "asking for role " + tenant.role);
  if (found->rows.empty())
    return cannot_prepare(to_string(tenant.at) + ": tenant." + tenant.name
                          + ".role: found '" + tenant.role
                          + "', expected a role that the server has");
  if (found->rows[0][0] == "t")
    return {};
  return cannot_prepare(
    to_string(tenant.at) + ": tenant." + tenant.name + ".role: found '"
    + tenant.role + "', which the role that logs in may not take on; GRANT "
    + tenant.role + " TO it");
}

/// The tenants' tables and mappings. Tenants whose tables have the same columns
/// share a program; those of the first tenant are most often everybody's.
std::expected<void, prepare_failure>
prepare_tenants(connection& conn, const config& all, prepared_pipeline& to,
                const std::function<bool()>& stop) {
  std::map<uint64_t, program_ptr> by_shape;
  tenant_programs others;
  for (const auto* tenant : tenants_of(all, to.config, to.database)) {
    if (is_told(stop))
      return interrupted();
    if (auto good = check_role(conn, *tenant); !good)
      return std::unexpected{good.error()};
    auto program = compile_for(conn, to.config, *tenant);
    if (!program)
      return std::unexpected{program.error()};
    if (!to.program)
      to.program = *program;
    auto shape = (*program)->shape();
    auto& shared = by_shape.try_emplace(shape.value, *program).first->second;
    if (shared != to.program) {
      log::warn("tenant-has-other-columns",
                {{"pipeline", to.config.name}, {"tenant", tenant->name}});
      others.emplace(tenant->name, shared);
    }
    to.tenants.push_back({tenant->name, (*program)->shape()});
    to.plans[tenant->name] = plan_for(all, to.config, **program, *tenant);
  }
  if (!others.empty())
    to.program = to.program->beside(std::move(others));
  return {};
}

} // namespace

std::expected<prepared_pipeline, prepare_failure>
prepare_pipeline(connection& conn, const config& all,
                 const postgresql_config& database,
                 const pipeline_config& pipeline,
                 const std::function<bool()>& stop) {
  prepared_pipeline result;
  result.config = pipeline;
  result.database = database.name;
  result.share = share_of(all, pipeline, database.name);
  if (auto done = prepare_tenants(conn, all, result, stop); !done)
    return std::unexpected{done.error()};
  if (!result.program && !result.share)
    return cannot_prepare(to_string(pipeline.tenant.at) + ": pipeline."
                          + pipeline.name + ".tenant: found "
                          + pipeline.tenant.text
                          + ", expected the name of a [[tenant]]");
  if (!result.program) {
    // No tenant is here, only what is nobody's.
    auto program = compile_routing(pipeline);
    if (!program)
      return cannot_prepare(program.error());
    result.program = std::move(*program);
  }
  // A tenant that comes to another database leaves `_unrouted`, or the other
  // way around: then the control database changes as well.
  std::vector<std::string> names;
  for (const auto& x : result.tenants)
    names.push_back(x.name);
  if (result.share && result.share->unrouted)
    for (const auto& x : result.share->elsewhere)
      names.push_back(x.name + '@');
  result.map_fingerprint = map_fingerprint(*result.program, std::move(names));
  if (result.share && !result.share->unrouted)
    return result;
  auto columns = result.program->shape();
  result.tenants.push_back({std::string{unrouted_tenant}, columns});
  result.plans[std::string{unrouted_tenant}]
    = make_write_plan(pipeline.name, unrouted_tenant, columns, {});
  return result;
}

namespace {

store_result<connection> open_session(const postgresql_config& database) {
  auto settings = make_session_config(database);
  settings.application_name = "millrace prepare";
  // A migration may take as long as it needs.
  settings.statement_timeout = std::chrono::milliseconds{0};
  settings.transaction_timeout = std::chrono::milliseconds{0};
  return connection::open(settings);
}

/// A node starts with few sessions all the same: others may not want theirs
/// now.
void warn_of_few_sessions(connection& conn, const config& all,
                          const postgresql_config& database) {
  auto room = read_session_room(conn, all, database);
  if (!room)
    return;
  for (const auto& x : shortages_of(*room))
    log::warn("few-sessions", {{"database", database.name},
                               {"found", x.text},
                               {"mend", x.mend}});
}

} // namespace

std::expected<std::vector<prepared_pipeline>, prepare_failure>
prepare(const config& all, const postgresql_config& database,
        const std::vector<migration_job>& before,
        const std::function<bool()>& stop) {
  auto conn = open_session(database);
  if (!conn)
    return cannot_prepare(conn.error(),
                          "cannot connect to " + text_of(database));
  if (auto done = migrate(*conn, all, database, before, stop); !done)
    return std::unexpected{done.error()};
  if (auto done = check_identity(*conn, database); !done)
    return std::unexpected{done.error()};
  warn_of_few_sessions(*conn, all, database);
  std::vector<prepared_pipeline> result;
  prepare_failure failure;
  for (const auto& pipeline : all.pipelines) {
    if (!is_read_for(all, pipeline, database.name))
      continue;
    if (is_told(stop))
      return interrupted();
    auto x = prepare_pipeline(*conn, all, database, pipeline, stop);
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
  auto settled = database.name == control_database
                   ? settle_homes(*conn, all, result)
                   : fetch_homes(*conn, all, database, result, open_session);
  if (!settled)
    return std::unexpected{settled.error()};
  return result;
}

} // namespace millrace
