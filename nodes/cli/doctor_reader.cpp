#include "nodes/cli/doctor_reader.hpp"

#include "actors/coordinator/migrator.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "nodes/cli/doctor_schema.hpp"
#include "nodes/coordinator_settings.hpp"
#include "nodes/prepare.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::cli {

namespace {

/// Beside those that tenants share: for tables at the start, dead letters, the
/// lease, and two while the node coordinates.
constexpr int64_t sessions_beside = 5;

const std::string doctored_schema = "millrace";

std::string maybe_text(const std::optional<std::string>& x) {
  return x.value_or("");
}

/// Tables of the schema that the pipelines write, and whether they delete.
struct written_tables {
  std::set<std::string> all;
  bool deletes = false;
};

written_tables written_by(const config& all, const postgresql_config& database,
                          const tenant_config& tenant) {
  written_tables result;
  for (const auto& pipeline : all.pipelines) {
    if (!std::ranges::contains(tenants_of(all, pipeline, database.name),
                               &tenant))
      continue;
    for (const auto& event : pipeline.events)
      for (const auto& write : event.writes) {
        // Tables with a schema of their own are no tenant's.
        if (!write.table.contains('.'))
          result.all.insert(write.table);
        result.deletes = result.deletes || write.kind == write_kind::remove;
      }
  }
  return result;
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
        &doctor_reader::read_partitions, &doctor_reader::read_grants})
    if (auto done = (this->*part)(); !done)
      return std::unexpected{std::move(done.error())};
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
  // reserved_connections came with PostgreSQL 16.
  auto found = conn_.query(
    "SELECT current_setting('max_connections'), "
    "current_setting('superuser_reserved_connections')::int + "
    "coalesce(current_setting('reserved_connections', true)::int, 0), "
    "nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1), r.rolname, "
    "r.rolsuper, age(d.datfrozenxid) FROM pg_roles r, pg_database d WHERE "
    "r.rolname = current_user AND d.datname = current_database()");
  if (!found)
    return std::unexpected{std::move(found.error())};
  const auto& row = found->rows.at(0);
  auto& to = facts_.sessions;
  to.max_connections = int_of(row[0]);
  to.reserved = int_of(row[1]);
  if (row[2])
    to.role_limit = int_of(row[2]);
  if (row[3])
    to.database_limit = int_of(row[3]);
  to.nodes = std::max<int64_t>(1, std::ssize(all_.cluster.nodes));
  to.per_node = database_.max_sessions + sessions_beside;
  facts_.role = maybe_text(row[4]);
  facts_.superuser = bool_of(row[5]);
  facts_.frozen_age = int_of(row[6]);
  return {};
}

store_result<void> doctor_reader::read_migrations() {
  auto jobs = migration_jobs(all_, database_);
  // Sets that were applied beside those of the packs.
  for (const auto& tenant : all_.tenants) {
    if (tenant.database != database_.name)
      continue;
    auto table = quote_identifier(tenant.schema, "schema_migrations");
    auto there = conn_.query("SELECT to_regclass($1) IS NOT NULL", {table});
    if (!there)
      return std::unexpected{std::move(there.error())};
    if (!bool_of(there->rows.at(0)[0]))
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
  for (const auto& x : jobs)
    if (auto done = read_set(x.set, x.target.schema, x.target.tenant); !done)
      return done;
  return {};
}

store_result<void>
doctor_reader::read_set(const std::string& set, const std::string& schema,
                        const std::optional<std::string>& tenant) {
  auto files = load_embedded_migrations(set);
  if (!files)
    return {}; // Somebody's own, of which this program knows nothing.
  auto status = migrator{conn_}.status(*files, {schema, tenant});
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

// -- grants -------------------------------------------------------------------

store_result<void> doctor_reader::read_grants() {
  for (const auto& tenant : all_.tenants)
    if (tenant.database == database_.name)
      if (auto done = read_tenant_grants(tenant); !done)
        return done;
  for (const auto& policy : policies_of(all_, database_)) {
    if (!all_.coordinator.stand_by)
      break;
    auto found = conn_.query(
      "SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c "
      "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
      "c.relname = $2",
      {policy.schema, policy.table});
    if (!found)
      return std::unexpected{std::move(found.error())};
    if (!found->rows.empty() && !bool_of(found->rows[0][0]))
      facts_.grants.push_back({facts_.role,
                               "ownership of " + to_string(policy)
                                 + ", without which it cannot make partitions",
                               "ALTER TABLE "
                                 + quote_identifier(policy.schema, policy.table)
                                 + " OWNER TO " + quote_identifier(facts_.role)
                                 + ", or coordinator.stand_by = false here"});
  }
  return {};
}

store_result<void>
doctor_reader::read_tenant_grants(const tenant_config& tenant) {
  auto role = tenant.role.empty() ? facts_.role : tenant.role;
  auto member = conn_.query("SELECT pg_has_role(current_user, oid, 'MEMBER') "
                            "FROM pg_roles WHERE rolname = $1",
                            {role});
  if (!member)
    return std::unexpected{std::move(member.error())};
  if (member->rows.empty()) {
    facts_.grants.push_back({role, "its existence: there is no such role",
                             "CREATE ROLE " + quote_identifier(role)});
    return {};
  }
  if (!bool_of(member->rows[0][0]))
    facts_.grants.push_back({facts_.role, "membership in " + role,
                             "GRANT " + quote_identifier(role) + " TO "
                               + quote_identifier(facts_.role)});
  if (auto done = lacks_schema(role, doctored_schema); !done)
    return done;
  if (auto done = lacks_schema(role, tenant.schema); !done)
    return done;
  auto done = lacks_tables(role, doctored_schema,
                           {"lane", "dead_letter", "waiting"},
                           {"SELECT", "INSERT", "UPDATE", "DELETE"});
  if (!done)
    return done;
  auto tables = written_by(all_, database_, tenant);
  std::vector<std::string> privileges{"SELECT", "INSERT", "UPDATE"};
  if (tables.deletes)
    privileges.emplace_back("DELETE");
  return lacks_tables(role, tenant.schema,
                      {tables.all.begin(), tables.all.end()}, privileges);
}

store_result<void> doctor_reader::lacks_schema(const std::string& role,
                                               const std::string& schema) {
  auto found = conn_.query("SELECT has_schema_privilege($1, oid, 'USAGE') FROM "
                           "pg_namespace WHERE nspname = $2",
                           {role, schema});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (!found->rows.empty() && !bool_of(found->rows[0][0]))
    facts_.grants.push_back({role, "USAGE on schema " + schema,
                             "GRANT USAGE ON SCHEMA " + quote_identifier(schema)
                               + " TO " + quote_identifier(role)});
  return {};
}

store_result<void>
doctor_reader::lacks_tables(const std::string& role, const std::string& schema,
                            const std::vector<std::string>& tables,
                            const std::vector<std::string>& privileges) {
  auto found = conn_.query(
    "SELECT c.relname, string_agg(p, ', ') FROM pg_class c JOIN pg_namespace n "
    "ON n.oid = c.relnamespace CROSS JOIN unnest($4::text[]) p WHERE n.nspname "
    "= $2 AND c.relname = ANY($3::text[]) AND c.relkind IN ('r', 'p') AND NOT "
    "has_table_privilege($1, c.oid, p) GROUP BY 1 ORDER BY 1",
    {role, schema, array_text(tables), array_text(privileges)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows) {
    auto what = maybe_text(row[1]);
    auto table = maybe_text(row[0]);
    facts_.grants.push_back({role, what + " on " + schema + '.' + table,
                             "GRANT " + what + " ON "
                               + quote_identifier(schema, table) + " TO "
                               + quote_identifier(role)});
  }
  return {};
}

} // namespace millrace::cli
