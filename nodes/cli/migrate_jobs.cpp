#include "nodes/cli/migrate_jobs.hpp"

#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/cli/connection_variables.hpp"

#include <algorithm>
#include <utility>

namespace millrace::cli {

namespace {

constexpr std::string_view control_set = "control";
constexpr std::string_view control_schema = "millrace";

/// A session each.
constexpr auto max_parallel = 64;

/// What the tools that people come from read.
const std::string default_variable = "DATABASE_URL";

std::unexpected<failure> fail(exit_code code, std::string text) {
  return std::unexpected{failure{code, {make_error(std::move(text))}}};
}

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
  auto all = load_checked(what.config, what.pack_dirs, {}, what.database_url);
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
    for (const auto& set : what.sets_beside)
      for (auto& job : jobs_for_tenants(*all, database->name, set))
        if (std::ranges::none_of(to.jobs, [&](const migration_job& x) {
              return x.set == set && x.target.schema == job.target.schema;
            }))
          to.jobs.push_back(std::move(job));
    any = any || !to.jobs.empty();
  }
  if (!any && !what.dir.empty())
    for (auto& x : result) {
      x.jobs = jobs_for_tenants(*all, x.database.name, what.set);
      any = any || !x.jobs.empty();
    }
  if (!what.tenant.empty())
    for (auto& x : result)
      std::erase_if(x.jobs, [&](const migration_job& job) {
        return job.target.tenant != what.tenant;
      });
  std::erase_if(result, [](const auto& x) { return x.jobs.empty(); });
  if (any && result.empty())
    return fail(exit_code::usage, "--tenant: found " + in_quotes(what.tenant)
                                    + ", expected a tenant that has these "
                                      "migrations");
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

/// Where PostgreSQL is, as far as no configuration says it.
std::expected<postgresql_config, failure>
find_place(const migrate_arguments& what) {
  postgresql_config result;
  const auto& given = what.conn.empty() ? what.database_url : what.conn;
  if (!given.empty()) {
    result.url = secret{given};
    return result;
  }
  auto name = what.pg_env.empty() ? default_variable : what.pg_env;
  if (auto url = variable_of_process(name)) {
    result.url = secret{*url};
    return result;
  }
  if (!what.pg_env.empty())
    return fail(exit_code::usage,
                "--pg-env: the environment has no variable " + in_quotes(name));
  auto by_parts = read_connection_variables(variable_of_process);
  if (by_parts)
    return std::move(*by_parts);
  failure wrong;
  for (const auto& x : by_parts.error())
    wrong.all.push_back(make_error(x));
  return std::unexpected{std::move(wrong)};
}

std::expected<plan, failure> plan_by_place(const migrate_arguments& what) {
  auto place = find_place(what);
  if (!place)
    return std::unexpected{std::move(place.error())};
  database_jobs result{std::move(*place), {}};
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

/// Where no option says where PostgreSQL is.
bool has_default_place() {
  return variable_of_process(default_variable)
         || has_connection_variables(variable_of_process);
}

std::expected<plan, failure> make_plan(const migrate_arguments& what) {
  auto by_url = what.config.empty() && !what.database_url.empty();
  auto places = int{!what.config.empty()} + int{!what.pg_env.empty()}
                + int{!what.conn.empty() || by_url};
  if (places > 1 || (places == 0 && !has_default_place()))
    return fail(exit_code::usage, "expected --config FILE, or --pg-env NAME "
                                  "with the variable that holds the URL");
  if (!what.dir.empty() && what.set.empty())
    return fail(exit_code::usage, "--dir needs --set NAME: whose files they "
                                  "are");
  if (what.one_set && what.set.empty())
    return fail(exit_code::usage, "expected --set NAME: this is done to one "
                                  "set of migrations at a time");
  if (what.config.empty() && !what.database.empty())
    return fail(exit_code::usage, "--database goes with --config, which says "
                                  "which ones there are");
  if (!what.config.empty() && !what.schema.empty())
    return fail(exit_code::usage, "--schema goes with --pg-env; a "
                                  "configuration says itself which schemas "
                                  "there are");
  return what.config.empty() ? plan_by_place(what) : plan_by_config(what);
}

} // namespace

std::expected<migrate_work, failure> find_work(const migrate_arguments& what) {
  migrate_work result;
  if (!what.lock_timeout.empty()) {
    auto parsed = parse_duration(what.lock_timeout);
    if (!parsed || parsed->count() == 0)
      return fail(exit_code::usage,
                  "--lock-timeout: found " + in_quotes(what.lock_timeout)
                    + ", expected a duration such as \"500ms\" or \"5s\"");
    result.lock_timeout = *parsed;
  }
  if (what.parallel < 1 || what.parallel > max_parallel)
    return fail(exit_code::usage,
                "--parallel: found " + std::to_string(what.parallel)
                  + ", expected 1 to " + std::to_string(max_parallel));
  auto databases = make_plan(what);
  if (!databases)
    return std::unexpected{databases.error()};
  result.databases = std::move(*databases);
  // Files first: what is wrong with them needs no server to be told.
  for (const auto& x : result.databases)
    for (const auto& job : x.jobs) {
      auto files = what.dir.empty() ? files_of(job)
                                    : load_migrations(job.set, what.dir);
      if (!files)
        return fail(exit_code::usage, files.error());
      result.sets.insert_or_assign(job.set, std::move(*files));
    }
  return result;
}

std::string place_of(const migration_job& job,
                     const postgresql_config& database) {
  auto result = job.target.schema;
  if (database.name != control_database)
    result += "@" + database.name;
  return result;
}

std::string title_of(const migration_job& job,
                     const postgresql_config& database) {
  return job.set + " in " + place_of(job, database);
}

void begin_job(json_writer& out, const migration_job& job,
               const postgresql_config& database) {
  out.begin_object();
  if (database.name != control_database)
    out.key("database").string(database.name);
  out.key("set").string(job.set);
  out.key("schema").string(job.target.schema);
  if (job.target.tenant)
    out.key("tenant").string(*job.target.tenant);
}

store_result<connection> open_database(const postgresql_config& x,
                                       const std::string& name) {
  auto settings = make_session_config(x);
  // The first one is the URL, and later ones win.
  if (!name.empty())
    settings.keywords.emplace_back("dbname", name);
  settings.application_name = "millrace migrate";
  // A migration may take as long as it needs.
  settings.statement_timeout = std::chrono::milliseconds{0};
  settings.transaction_timeout = std::chrono::milliseconds{0};
  return connection::open(settings);
}

exit_code tell_failure(const failure& x, console& to) {
  to.tell(x.all);
  return x.code;
}

} // namespace millrace::cli
