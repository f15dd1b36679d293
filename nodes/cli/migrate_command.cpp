#include "nodes/cli/migrate_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/prepare.hpp"

#include <algorithm>
#include <cstdlib>
#include <expected>
#include <format>
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

/// What to do, and where.
struct plan {
  config all;
  std::vector<migration_job> jobs;
};

/// A set of the user's own goes to every tenant of the configuration.
std::vector<migration_job> jobs_for_tenants(const config& all,
                                            const std::string& set) {
  std::vector<migration_job> result;
  for (const auto& tenant : all.tenants)
    result.push_back({set, {tenant.schema, tenant.name}});
  return result;
}

std::expected<plan, failure> plan_by_config(const migrate_arguments& what) {
  auto all = load_checked(what.config, what.pack_dirs);
  if (!all)
    return std::unexpected{failure{exit_code::usage, all.error()}};
  plan result{std::move(*all), {}};
  std::vector<std::string> known;
  for (auto& job : migration_jobs(result.all)) {
    known.push_back(job.set);
    if (what.set.empty() || job.set == what.set)
      result.jobs.push_back(std::move(job));
  }
  if (result.jobs.empty() && !what.dir.empty())
    result.jobs = jobs_for_tenants(result.all, what.set);
  if (result.jobs.empty()) {
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
  plan result;
  result.all.postgresql.url = secret{url};
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
  return result;
}

std::expected<plan, failure> make_plan(const migrate_arguments& what) {
  if (what.config.empty() == what.pg_env.empty())
    return fail(exit_code::usage, "expected --config FILE, or --pg-env NAME "
                                  "with the variable that holds the URL");
  if (!what.dir.empty() && what.set.empty())
    return fail(exit_code::usage, "--dir needs --set NAME: whose files they "
                                  "are");
  if (!what.config.empty() && !(what.schema.empty() && what.tenant.empty()))
    return fail(exit_code::usage, "--schema and --tenant go with --pg-env; a "
                                  "configuration says both itself");
  return what.config.empty() ? plan_by_url(what) : plan_by_config(what);
}

std::expected<connection, failure> open(const config& all) {
  auto settings = make_session_config(all);
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
              "PostgreSQL: " + e.message);
}

/// Runs `step(migrator, files, target)` for each job, until one fails.
template <class Step>
std::expected<void, failure>
for_each_job(const migrate_arguments& what, Step step) {
  auto work = make_plan(what);
  if (!work)
    return std::unexpected{work.error()};
  // Files first: what is wrong with them needs no server to be told.
  std::vector<migration_set> sets;
  for (const auto& job : work->jobs) {
    auto files = what.dir.empty() ? load_embedded_migrations(job.set)
                                  : load_migrations(job.set, what.dir);
    if (!files)
      return fail(exit_code::usage, files.error());
    sets.push_back(std::move(*files));
  }
  auto conn = open(work->all);
  if (!conn)
    return std::unexpected{conn.error()};
  migrator worker{*conn, work->all.postgresql.lock_timeout};
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto& job = work->jobs[i];
    auto done = step(worker, sets[i], job);
    if (!done)
      return fail(conn->is_open() ? exit_code::failed : exit_code::unreachable,
                  "migrations of '" + job.set + "' in schema '"
                    + job.target.schema + "': " + done.error());
  }
  return {};
}

void begin_job(json_writer& out, const migration_job& job) {
  out.begin_object();
  out.key("set").string(job.set);
  out.key("schema").string(job.target.schema);
  if (job.target.tenant)
    out.key("tenant").string(*job.target.tenant);
}

exit_code tell_failure(const failure& x, console& to) {
  to.tell(x.all);
  return x.code;
}

std::string applied_text(const migration_job& job, const migration_report& x) {
  auto where = std::format("{} in {}", job.set, job.target.schema);
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
    [&](migrator& worker, const migration_set& files,
        const migration_job& job) -> std::expected<void, std::string> {
      auto report = worker.up(files, job.target);
      if (!report)
        return std::unexpected{report.error()};
      begin_job(out, job);
      out.key("applied").begin_array();
      for (auto version : report->applied)
        out.integer(version);
      out.end_array();
      out.key("ms").integer(report->duration.count());
      out.end_object();
      if (!to.json())
        to.out(applied_text(job, *report));
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
    [&](migrator& worker, const migration_set& files,
        const migration_job& job) -> std::expected<void, std::string> {
      auto all = worker.status(files, job.target);
      if (!all)
        return std::unexpected{all.error()};
      for (const auto& x : *all) {
        auto there = x.state != migration_state::pending;
        sound = sound && (!there || x.state == migration_state::applied);
        begin_job(out, job);
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
        rows.push_back({job.set, job.target.schema, std::to_string(x.version),
                        x.name, to_string(x.state), x.applied_at,
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
