#include "nodes/cli/doctor_grants.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "nodes/coordinator_settings.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::cli {

namespace {

const std::string granted_schema = "millrace";
const std::vector<std::string> all_writes{"SELECT", "INSERT", "UPDATE",
                                          "DELETE"};

/// What no node calls: partitions for who asks, and what owners grant.
const std::vector<std::string> for_people{
  "ensure_day_partitions", "give_new_tenant",       "give_tenant",
  "grant_statements",      "role_joining",          "role_making",
  "role_statements",       "tenant_role_statements"};

/// The same of one that coordinates for nobody: who has the lease acts as the
/// login.
const auto for_others = [] {
  auto result = for_people;
  result.emplace_back("hold_coordinator");
  return result;
}();

std::string grant_text(const std::optional<std::string>& x) {
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

grant_reader::grant_reader(connection& conn, const config& all,
                           const postgresql_config& database, std::string role)
  : conn_{conn},
    all_{all},
    database_{database},
    role_{std::move(role)} {
}

store_result<std::vector<grant_fact>> grant_reader::read() {
  auto done = read_login();
  for (const auto& tenant : all_.tenants)
    if (done && tenant.database == database_.name)
      done = read_tenant(tenant);
  if (done && all_.coordinator.stand_by)
    done = read_owner();
  if (!done)
    return std::unexpected{std::move(done.error())};
  return std::move(found_);
}

void grant_reader::add(grant_fact x) {
  if (std::ranges::none_of(found_, [&x](const grant_fact& y) {
        return y.role == x.role && y.what == x.what;
      }))
    found_.push_back(std::move(x));
}

/// What every node does in the control schema, whoever writes the rows.
store_result<void> grant_reader::read_login() {
  // Those of the runner are written by whoever migrates.
  names others{"admin_action", "role_prefix", "schema_migrations",
               "schema_repeatables", "schema_migration_steps"};
  if (!all_.coordinator.stand_by)
    others.insert(others.end(),
                  {"coordinator", "partition_hold", "partition_removal"});
  auto found = conn_.query("SELECT c.relname FROM pg_class c JOIN pg_namespace "
                           "n ON n.oid = c.relnamespace WHERE n.nspname = $1 "
                           "AND c.relkind IN ('r', 'p') AND c.relname <> "
                           "ALL($2::text[]) ORDER BY 1",
                           {granted_schema, array_text(others)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  names tables;
  for (const auto& row : found->rows)
    tables.push_back(grant_text(row[0]));
  auto done = lacks_schema(role_, granted_schema);
  if (done)
    done = lacks_tables(role_, granted_schema, tables, all_writes);
  // It adds to what people did, and changes none of it.
  if (done)
    done = lacks_tables(role_, granted_schema, {"admin_action"},
                        {"SELECT", "INSERT"});
  if (done)
    done = lacks_functions(role_,
                           all_.coordinator.stand_by ? for_people : for_others);
  return done;
}

/// Who makes partitions owns their tables.
store_result<void> grant_reader::read_owner() {
  for (const auto& policy : policies_of(all_, database_)) {
    auto found = conn_.query(
      "SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c "
      "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
      "c.relname = $2",
      {policy.schema, policy.table});
    if (!found)
      return std::unexpected{std::move(found.error())};
    if (!found->rows.empty() && !bool_of(found->rows[0][0]))
      add({role_,
           "ownership of " + to_string(policy)
             + ", without which it cannot make partitions",
           "ALTER TABLE " + quote_identifier(policy.schema, policy.table)
             + " OWNER TO " + quote_identifier(role_)
             + ", or coordinator.stand_by = false here"});
  }
  return {};
}

store_result<void> grant_reader::read_tenant(const tenant_config& tenant) {
  auto role = tenant.role.empty() ? role_ : tenant.role;
  auto member = conn_.query("SELECT pg_has_role(current_user, oid, 'MEMBER') "
                            "FROM pg_roles WHERE rolname = $1",
                            {role});
  if (!member)
    return std::unexpected{std::move(member.error())};
  if (member->rows.empty()) {
    add({role, "its existence: there is no such role",
         "CREATE ROLE " + quote_identifier(role)});
    return {};
  }
  if (!bool_of(member->rows[0][0]))
    add({role_, "membership in " + role,
         "GRANT " + quote_identifier(role) + " TO " + quote_identifier(role_)});
  auto done = lacks_schema(role, granted_schema);
  if (done)
    done = lacks_schema(role, tenant.schema);
  if (done)
    done = lacks_temporary(role);
  // The login's own are told already.
  if (done && role != role_)
    done = lacks_tables(role, granted_schema,
                        {"lane", "dead_letter", "waiting"}, all_writes);
  if (done && role != role_)
    done = lacks_functions(role, for_others);
  if (!done)
    return done;
  auto tables = written_by(all_, database_, tenant);
  names privileges{"SELECT", "INSERT", "UPDATE"};
  if (tables.deletes)
    privileges.emplace_back("DELETE");
  return lacks_tables(role, tenant.schema,
                      {tables.all.begin(), tables.all.end()}, privileges);
}

store_result<void> grant_reader::lacks_schema(const std::string& role,
                                              const std::string& schema) {
  auto found = conn_.query("SELECT has_schema_privilege($1, oid, 'USAGE') FROM "
                           "pg_namespace WHERE nspname = $2",
                           {role, schema});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (!found->rows.empty() && !bool_of(found->rows[0][0]))
    add({role, "USAGE on schema " + schema,
         "GRANT USAGE ON SCHEMA " + quote_identifier(schema) + " TO "
           + quote_identifier(role)});
  return {};
}

/// Upserts go through temporary tables.
store_result<void> grant_reader::lacks_temporary(const std::string& role) {
  auto found = conn_.query("SELECT current_database(), has_database_privilege("
                           "$1, current_database(), 'TEMPORARY')",
                           {role});
  if (!found)
    return std::unexpected{std::move(found.error())};
  const auto& row = found->rows.at(0);
  auto database = grant_text(row[0]);
  if (!bool_of(row[1]))
    add({role, "TEMPORARY on the database " + database,
         "GRANT TEMPORARY ON DATABASE " + quote_identifier(database) + " TO "
           + quote_identifier(role)});
  return {};
}

store_result<void>
grant_reader::lacks_tables(const std::string& role, const std::string& schema,
                           const names& tables, const names& privileges) {
  auto found = conn_.query(
    "SELECT c.relname, string_agg(p, ', ' ORDER BY i) FROM pg_class c JOIN "
    "pg_namespace n ON n.oid = c.relnamespace CROSS JOIN unnest($4::text[]) "
    "WITH ORDINALITY AS x(p, i) WHERE n.nspname = $2 AND c.relname = "
    "ANY($3::text[]) AND c.relkind IN ('r', 'p') AND NOT "
    "has_table_privilege($1, c.oid, p) GROUP BY 1 ORDER BY 1",
    {role, schema, array_text(tables), array_text(privileges)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  for (const auto& row : found->rows) {
    auto what = grant_text(row[1]);
    auto table = grant_text(row[0]);
    add({role, what + " on " + schema + '.' + table,
         "GRANT " + what + " ON " + quote_identifier(schema, table) + " TO "
           + quote_identifier(role)});
  }
  return {};
}

store_result<void> grant_reader::lacks_functions(const std::string& role,
                                                 const names& but_these) {
  auto found = conn_.query(
    "SELECT string_agg(p.proname, ', ' ORDER BY p.proname), "
    "string_agg(format('%I.%I(%s)', n.nspname, p.proname, "
    "pg_get_function_identity_arguments(p.oid)), ', ' ORDER BY p.proname) FROM "
    "pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = "
    "$2 AND p.proname <> ALL($3::text[]) AND NOT has_function_privilege($1, "
    "p.oid, 'EXECUTE')",
    {role, granted_schema, array_text(but_these)});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (const auto& row = found->rows.at(0); row[0])
    add({role, "EXECUTE on functions of " + granted_schema + ": " + *row[0],
         "GRANT EXECUTE ON FUNCTION " + grant_text(row[1]) + " TO "
           + quote_identifier(role)});
  return {};
}

} // namespace millrace::cli
