#include "nodes/cli/doctor_reader.hpp"

#include "actors/coordinator/migrator.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/store/catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "nodes/cli/doctor_grants.hpp"
#include "nodes/cli/doctor_schema.hpp"
#include "nodes/coordinator_settings.hpp"
#include "nodes/prepare.hpp"

#include <algorithm>
#include <utility>

namespace millrace::cli {

namespace {

const std::string doctored_schema = "millrace";

std::string maybe_text(const std::optional<std::string>& x) {
  return x.value_or("");
}

} // namespace

doctor_reader::doctor_reader(connection& conn, const config& all,
                             const postgresql_config& database)
  : conn_{conn},
    all_{all},
    database_{database} {
}

store_result<doctor_facts> doctor_reader::read() {
  facts_ = {};
  facts_.auto_migrate = database_.auto_migrate;
  for (auto part :
       {&doctor_reader::read_settings, &doctor_reader::read_sessions,
        &doctor_reader::read_migrations, &doctor_reader::read_invalid,
        &doctor_reader::read_bloat, &doctor_reader::read_holders,
        &doctor_reader::read_partitions, &doctor_reader::read_rehearsals})
    if (auto done = (this->*part)(); !done)
      return std::unexpected{std::move(done.error())};
  auto grants = grant_reader{conn_, all_, database_, facts_.role}.read();
  if (!grants)
    return std::unexpected{std::move(grants.error())};
  facts_.grants = std::move(*grants);
  return std::move(facts_);
}

store_result<void> doctor_reader::read_settings() {
  auto found = conn_.query(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', "
    "'full_page_writes', 'autovacuum', 'track_counts', 'synchronous_commit')");
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    facts_.settings.emplace(maybe_text(row[0]), maybe_text(row[1]));
  return {};
}

store_result<void> doctor_reader::read_sessions() {
  auto room = read_session_room(conn_, all_, database_);
  if (!room)
    return std::unexpected{std::move(room.error())};
  facts_.sessions = std::move(*room);
  facts_.role = facts_.sessions.role;
  auto found = conn_.query("SELECT r.rolsuper, age(d.datfrozenxid) FROM "
                           "pg_roles r, pg_database d WHERE r.rolname = "
                           "current_user AND d.datname = current_database()");
  if (!found)
    return std::unexpected{std::move(found.error())};
  const auto& row = found->rows.at(0);
  facts_.superuser = bool_of(row[0]);
  facts_.frozen_age = int_of(row[1]);
  return {};
}

store_result<void> doctor_reader::read_migrations() {
  auto jobs = migration_jobs(all_, database_);
  auto configured = jobs.size();
  // Sets that were applied beside those of the packs.
  for (const auto& tenant : all_.tenants) {
    if (tenant.database != database_.name)
      continue;
    auto table = quote_identifier(tenant.schema, "schema_migrations");
    auto there = has_relation(conn_, table);
    if (!there)
      return std::unexpected{std::move(there.error())};
    if (!*there)
      continue;
    auto sets
      = conn_.query("SELECT DISTINCT pack FROM " + table + " ORDER BY 1");
    if (!sets)
      return std::unexpected{std::move(sets.error())};
    for (const auto& row : sets->rows)
      if (std::ranges::none_of(jobs, [&](const migration_job& x) {
            return x.set == row[0] && x.target.schema == tenant.schema;
          }))
        jobs.push_back({maybe_text(row[0]), {tenant.schema, tenant.name}});
  }
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (auto done = read_set(jobs[i], i < configured); !done)
      return done;
  return {};
}

/// Once, however many tenants have it.
void doctor_reader::note_broken(const migration_job& job,
                                const std::string& why) {
  broken_set x{job.set, job.folder, why};
  if (!std::ranges::contains(facts_.broken_sets, x))
    facts_.broken_sets.push_back(std::move(x));
}

store_result<void> doctor_reader::read_set(const migration_job& job,
                                           bool is_configured) {
  const auto& set = job.set;
  const auto& schema = job.target.schema;
  auto files = files_of(job);
  if (!files) {
    // Else somebody's own, of which this program knows nothing.
    if (is_configured)
      note_broken(job, files.error());
    return {};
  }
  for (const auto& x : files->problems)
    note_broken(job, x);
  auto status = migrator{conn_}.status(*files, job.target);
  if (!status)
    return std::unexpected{store_error{store_errc::failed, {}, status.error()}};
  migration_fact fact{set, schema, 0, 0};
  made_objects made;
  for (const auto& x : *status) {
    auto is = [&x](migration_state state) { return x.state == state; };
    fact.pending += is(migration_state::pending)
                    || is(migration_state::interrupted);
    fact.edited += is(migration_state::edited) || is(migration_state::unknown);
    auto file = std::ranges::find(files->files, x.version, &migration::version);
    if (is(migration_state::applied) && file != files->files.end())
      add_made(made, *file);
  }
  facts_.migrations.push_back(fact);
  std::vector<object_fact> wanted;
  for (const auto& name : made.tables)
    wanted.push_back({"table", schema, name, set});
  for (const auto& [name, table] : made.indexes)
    wanted.push_back({"index", schema, name, set});
  for (const auto& name : made.extensions)
    wanted.push_back({"extension", {}, name, set});
  std::vector<std::string> there;
  auto found = conn_.query(
    "SELECT CASE WHEN c.relkind IN ('i', 'I') THEN 'index ' ELSE 'table ' END "
    "|| c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "
    "c.relnamespace WHERE n.nspname = $1 UNION ALL SELECT 'extension ' || "
    "extname FROM pg_extension",
    {schema});
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    there.push_back(maybe_text(row[0]));
  std::ranges::sort(there);
  for (auto& x : wanted)
    if (!std::ranges::binary_search(there, x.kind + ' ' + x.name))
      facts_.missing.push_back(std::move(x));
  return {};
}

store_result<void> doctor_reader::read_invalid() {
  std::vector<std::string> schemas{doctored_schema};
  for (const auto& x : all_.tenants)
    if (x.database == database_.name)
      schemas.push_back(x.schema);
  auto found = conn_.query(
    "SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = "
    "i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT "
    "i.indisvalid AND n.nspname = ANY($1::text[]) ORDER BY 1, 2",
    {array_text(schemas)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    facts_.invalid.push_back(
      {"index", maybe_text(row[0]), maybe_text(row[1]), {}});
  return {};
}

store_result<void> doctor_reader::read_bloat() {
  auto found = conn_.query(
    "SELECT relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid) "
    "FROM pg_stat_user_tables WHERE schemaname = 'millrace' AND relname IN "
    "('lane', 'partition_floor', 'coordinator') ORDER BY 1");
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    facts_.bloat.push_back({doctored_schema + '.' + maybe_text(row[0]),
                            int_of(row[1]), int_of(row[2]), int_of(row[3])});
  return {};
}

store_result<void> doctor_reader::read_holders() {
  auto found = conn_.query(R"(
SELECT 'transaction', pid::text, concat_ws(', ', usename, nullif(
  application_name, ''), state), floor(extract(epoch FROM now() - xact_start)
  / 60)::bigint, coalesce(age(backend_xmin), 0), ''
FROM pg_stat_activity WHERE backend_type = 'client backend'
  AND datname = current_database() AND pid <> pg_backend_pid()
  AND xact_start IS NOT NULL
UNION ALL
SELECT 'prepared transaction', gid, owner, floor(extract(epoch FROM now() -
  prepared) / 60)::bigint, age(transaction), ''
FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT 'replication slot', slot_name, CASE WHEN active THEN 'active' ELSE
  'inactive' END, 0, coalesce(greatest(age(xmin), age(catalog_xmin)), 0),
  coalesce(wal_status, '')
FROM pg_replication_slots WHERE database IS NULL
  OR database = current_database()
ORDER BY 4 DESC, 2)");
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    facts_.holders.push_back({maybe_text(row[0]), maybe_text(row[1]),
                              maybe_text(row[2]), int_of(row[3]),
                              int_of(row[4]), maybe_text(row[5])});
  return {};
}

store_result<void> doctor_reader::read_partitions() {
  partition_catalog catalog{conn_};
  if (auto ready = catalog.prepare(); !ready)
    return ready;
  auto now = catalog.now();
  if (!now)
    return std::unexpected{std::move(now.error())};
  for (const auto& policy : policies_of(all_, database_)) {
    partition_fact fact{to_string(policy), {}, 0, 0, false};
    auto table = catalog.read(policy);
    if (!table && table.error().code == store_errc::unavailable)
      return std::unexpected{std::move(table.error())};
    if (table) {
      auto reach = reach_of(policy, *table, *now);
      fact.ahead = reach.ahead;
      fact.wanted = reach.wanted;
      fact.strays = !table->strays.empty();
      for (const auto& x : plan_partitions(policy, *table, *now).problems)
        fact.error += (fact.error.empty() ? "" : "; ") + x;
    } else {
      fact.error = table.error().message;
    }
    facts_.partitions.push_back(std::move(fact));
  }
  return {};
}

/// Who runs one is connected to it.
store_result<void> doctor_reader::read_rehearsals() {
  auto found = conn_.query(
    "SELECT d.datname FROM pg_database d WHERE d.datname ~ "
    "'^millrace_rehearsal_[0-9a-f]{32}$' AND NOT EXISTS (SELECT FROM "
    "pg_stat_activity a WHERE a.datid = d.oid) ORDER BY 1");
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows)
    facts_.rehearsals.push_back(maybe_text(row[0]));
  return {};
}

} // namespace millrace::cli
