#include "nodes/cli/migrate_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/prepare.hpp"

#include <algorithm>
#include <cstdlib>
#include <expected>
#include <format>
#include <map>
#include <utility>

namespace millrace::cli {

namespace {

constexpr std::string_view control_set = "control";
constexpr std::string_view control_schema = "millrace";

struct failure {
  exit_code code = exit_code::usage;
  findings all;
};

std::unexpected<failure> fail(exit_code code, std::string text) {
  return std::unexpected{failure{code, {make_error(std::move(text))}}};
}

/// What to do in one database.
struct database_jobs {
  postgresql_config database;
  std::vector<migration_job> jobs;
};

using plan = std::vector<database_jobs>;

/// A set of the user's own goes to every tenant of the configuration.
std::vector<migration_job> jobs_for_tenants(const config& all,
                                            const std::string& database,
                                            const std::string& set) {
  std::vector<migration_job> result;
  for (const auto& tenant : all.tenants)
    if (tenant.database == database)
      result.push_back({set, {tenant.schema, tenant.name}});
  return result;
}

/// Those that `--database` leaves.
std::expected<std::vector<const postgresql_config*>, failure>
chosen_databases(const config& all, const std::string& name) {
  if (name.empty())
    return all_databases(all);
  if (const auto* one = find_database(all, name))
    return std::vector{one};
  std::vector<std::string> known;
  for (const auto* x : all_databases(all))
    known.push_back(x->name);
  return fail(exit_code::usage, "--database: found " + in_quotes(name)
                                  + ", expected " + one_of(known));
}

std::expected<plan, failure> plan_by_config(const migrate_arguments& what) {
  auto all = load_checked(what.config, what.pack_dirs);
  if (!all)
    return std::unexpected{failure{exit_code::usage, all.error()}};
  auto databases = chosen_databases(*all, what.database);
  if (!databases)
    return std::unexpected{databases.error()};
  plan result;
  std::vector<std::string> known;
  auto any = false;
  for (const auto* database : *databases) {
    auto& to = result.emplace_back(*database);
    for (auto& job : migration_jobs(*all, *database)) {
      known.push_back(job.set);
      if (what.set.empty() || job.set == what.set)
        to.jobs.push_back(std::move(job));
    }
    any = any || !to.jobs.empty();
  }
  if (!any && !what.dir.empty())
    for (auto& x : result) {
      x.jobs = jobs_for_tenants(*all, x.database.name, what.set);
      any = any || !x.jobs.empty();
    }
  std::erase_if(result, [](const auto& x) { return x.jobs.empty(); });
  if (!any) {
    std::ranges::sort(known);
    auto dropped = std::ranges::unique(known);
    known.erase(dropped.begin(), dropped.end());
    return fail(exit_code::usage, "--set: found " + in_quotes(what.set)
                                    + ", expected " + one_of(known)
                                    + "; a set of your own needs --dir");
  }
  return result;
}

std::expected<plan, failure> plan_by_url(const migrate_arguments& what) {
  const char* url = std::getenv(what.pg_env.c_str());
  if (url == nullptr || *url == '\0')
    return fail(exit_code::usage, "--pg-env: the environment has no variable "
                                    + in_quotes(what.pg_env));
  database_jobs result;
  result.database.url = secret{url};
  auto set = what.set.empty() ? std::string{control_set} : what.set;
  migration_target target{what.schema, std::nullopt};
  if (!what.tenant.empty()) {
    if (!is_name(what.tenant))
      return fail(exit_code::usage, "--tenant: found " + in_quotes(what.tenant)
                                      + ", expected lower-case letters, digits "
                                        "and '_'");
    target.tenant = what.tenant;
    if (target.schema.empty())
      target.schema = "tenant_" + what.tenant;
  }
  if (set == control_set) {
    if (target.tenant
        || (!target.schema.empty() && target.schema != control_schema))
      return fail(exit_code::usage, "the set 'control' belongs into the schema "
                                    "'millrace' and to no tenant");
    target.schema = control_schema;
  } else if (!is_schema(target.schema)) {
    return fail(exit_code::usage, "--set " + set
                                    + " needs a schema: --tenant NAME, or "
                                      "--schema NAME that is not PostgreSQL's "
                                      "own");
  }
  result.jobs.push_back({std::move(set), std::move(target)});
  return plan{std::move(result)};
}

std::expected<plan, failure> make_plan(const migrate_arguments& what) {
  if (what.config.empty() == what.pg_env.empty())
    return fail(exit_code::usage, "expected --config FILE, or --pg-env NAME "
                                  "with the variable that holds the URL");
  if (!what.dir.empty() && what.set.empty())
    return fail(exit_code::usage, "--dir needs --set NAME: whose files they "
                                  "are");
  if (what.config.empty() && !what.database.empty())
    return fail(exit_code::usage, "--database goes with --config, which says "
                                  "which ones there are");
  if (!what.config.empty() && !(what.schema.empty() && what.tenant.empty()))
    return fail(exit_code::usage, "--schema and --tenant go with --pg-env; a "
                                  "configuration says both itself");
  return what.config.empty() ? plan_by_url(what) : plan_by_config(what);
}

std::string text_of(const postgresql_config& x) {
  return x.name == control_database ? "PostgreSQL"
                                    : "database '" + x.name + '\'';
}

std::expected<connection, failure> open(const postgresql_config& x) {
  auto settings = make_session_config(x);
  settings.application_name = "millrace migrate";
  // A migration may take as long as it needs.
  settings.statement_timeout = std::chrono::milliseconds{0};
  settings.transaction_timeout = std::chrono::milliseconds{0};
  auto conn = connection::open(settings);
  if (conn)
    return std::move(*conn);
  const auto& e = conn.error();
  auto passing = e.code == store_errc::unavailable
                 || e.code == store_errc::retry
                 || e.code == store_errc::back_off;
  return fail(passing ? exit_code::unreachable : exit_code::failed,
              text_of(x) + ": " + e.message);
}

/// Runs `step(migrator, files, job, database)` for each job, until one fails.
template <class Step>
std::expected<void, failure>
for_each_job(const migrate_arguments& what, Step step) {
  auto work = make_plan(what);
  if (!work)
    return std::unexpected{work.error()};
  // Files first: what is wrong with them needs no server to be told.
  std::map<std::string, migration_set> sets;
  for (const auto& x : *work)
    for (const auto& job : x.jobs) {
      auto files = what.dir.empty() ? load_embedded_migrations(job.set)
                                    : load_migrations(job.set, what.dir);
      if (!files)
        return fail(exit_code::usage, files.error());
      sets.insert_or_assign(job.set, std::move(*files));
    }
  for (const auto& x : *work) {
    auto conn = open(x.database);
    if (!conn)
      return std::unexpected{conn.error()};
    migrator worker{*conn, x.database.lock_timeout};
    for (const auto& job : x.jobs) {
      auto done = step(worker, sets.at(job.set), job, x.database.name);
      if (!done)
        return fail(conn->is_open() ? exit_code::failed
                                    : exit_code::unreachable,
                    "migrations of '" + job.set + "' in schema '"
                      + job.target.schema + "': " + done.error());
    }
  }
  return {};
}

void begin_job(json_writer& out, const migration_job& job,
               const std::string& database) {
  out.begin_object();
  if (database != control_database)
    out.key("database").string(database);
  out.key("set").string(job.set);
  out.key("schema").string(job.target.schema);
  if (job.target.tenant)
    out.key("tenant").string(*job.target.tenant);
}

exit_code tell_failure(const failure& x, console& to) {
  to.tell(x.all);
  return x.code;
}

/// The schema, with its database where that is not the control database.
std::string place_of(const migration_job& job, const std::string& database) {
  auto result = job.target.schema;
  if (database != control_database)
    result += "@" + database;
  return result;
}

std::string applied_text(const migration_job& job, const std::string& database,
                         const migration_report& x) {
  auto where = std::format("{} in {}", job.set, place_of(job, database));
  if (x.applied.empty())
    return where + ": up to date\n";
  std::string versions;
  for (auto version : x.applied)
    versions += (versions.empty() ? "" : ", ") + std::to_string(version);
  return std::format("{}: applied {} in {} ms\n", where, versions,
                     x.duration.count());
}

} // namespace

exit_code run_migrate_up(const migrate_arguments& what, console& to) {
  json_writer out;
  out.begin_array();
  auto done = for_each_job(
    what,
    [&](migrator& worker, const migration_set& files, const migration_job& job,
        const std::string& database) -> std::expected<void, std::string> {
      auto report = worker.up(files, job.target);
      if (!report)
        return std::unexpected{report.error()};
      begin_job(out, job, database);
      out.key("applied").begin_array();
      for (auto version : report->applied)
        out.integer(version);
      out.end_array();
      out.key("ms").integer(report->duration.count());
      out.end_object();
      if (!to.json())
        to.out(applied_text(job, database, *report));
      return {};
    });
  if (!done)
    return tell_failure(done.error(), to);
  out.end_array();
  if (to.json())
    to.out(out.str() + '\n');
  return exit_code::ok;
}

exit_code run_migrate_status(const migrate_arguments& what, console& to) {
  json_writer out;
  out.begin_array();
  std::vector<std::vector<std::string>> rows{
    {"SET", "SCHEMA", "VERSION", "NAME", "STATE", "APPLIED AT", "MS"}};
  auto sound = true;
  auto done = for_each_job(
    what,
    [&](migrator& worker, const migration_set& files, const migration_job& job,
        const std::string& database) -> std::expected<void, std::string> {
      auto all = worker.status(files, job.target);
      if (!all)
        return std::unexpected{all.error()};
      for (const auto& x : *all) {
        auto there = x.state != migration_state::pending;
        sound = sound && (!there || x.state == migration_state::applied);
        begin_job(out, job, database);
        out.key("version").integer(x.version);
        out.key("name").string(x.name);
        out.key("description").string(x.description);
        out.key("state").string(to_string(x.state));
        if (there) {
          out.key("applied_at").string(x.applied_at);
          out.key("applied_by").string(x.applied_by);
          out.key("execution_time_ms").integer(x.execution_time_ms);
        }
        out.end_object();
        rows.push_back({job.set, place_of(job, database),
                        std::to_string(x.version), x.name, to_string(x.state),
                        x.applied_at,
                        there ? std::to_string(x.execution_time_ms) : ""});
      }
      return {};
    });
  if (!done)
    return tell_failure(done.error(), to);
  out.end_array();
  to.out(to.json() ? out.str() + '\n' : table_text(rows));
  return sound ? exit_code::ok : exit_code::failed;
}

} // namespace millrace::cli
