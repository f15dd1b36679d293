#include "config/load_parts.hpp"

#include "config/checks.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <utility>

namespace millrace {

const tree_node no_table;

const tree_node* table_in(reader& in, const tree_node& parent,
                          std::string_view key, const std::string& path) {
  const auto* member = parent.find(key);
  if (!member)
    return &no_table;
  in.note(path, member->value.at);
  if (member->value.kind == node_kind::table)
    return &member->value;
  auto list = member->value.kind == node_kind::list;
  in.add(member->value.at, path, describe(member->value),
         path == "pipeline" ? "tables [pipeline.NAME]"
                            : std::format("a table [{}]", path),
         list ? "write single brackets" : "");
  return &no_table;
}

std::vector<const tree_node*>
tables_in(reader& in, const tree_node& parent, std::string_view key,
          const std::string& path, const std::string& header) {
  std::vector<const tree_node*> result;
  const auto* member = parent.find(key);
  auto expected = std::format("at least one [[{}]]", header);
  if (!member) {
    in.add(parent.at, path, "nothing", expected);
    return result;
  }
  const auto& value = member->value;
  if (value.kind != node_kind::list || value.items.empty()) {
    in.add(value.at, path, describe(value), expected,
           value.kind == node_kind::table ? "write double brackets" : "");
    return result;
  }
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (value.items[i].kind == node_kind::table)
      result.push_back(&value.items[i]);
    else
      in.add(value.items[i].at, std::format("{}[{}]", path, i),
             describe(value.items[i]), "a table");
  }
  return result;
}

// -- databases ----------------------------------------------------------------

namespace {

/// Each costs a connection pool, and a consumer for each pipeline.
constexpr std::size_t max_databases = 64;

/// A server of its own takes over nothing of how another one is reached.
postgresql_config heir_of(const postgresql_config& x, bool same_server) {
  auto result = x;
  if (same_server)
    return result;
  const postgresql_config fresh;
  result.url = fresh.url;
  result.host = fresh.host;
  result.port = fresh.port;
  result.database = fresh.database;
  result.user = fresh.user;
  result.password = fresh.password;
  result.sslmode = fresh.sslmode;
  result.sslrootcert = fresh.sslrootcert;
  result.sslcert = fresh.sslcert;
  result.sslkey = fresh.sslkey;
  result.parameters = fresh.parameters;
  return result;
}

postgresql_config read_database(reader& in, const tree_member& member,
                                const postgresql_config& control) {
  const auto& from = member.value;
  auto path = "database." + member.key;
  auto own_server = from.find("url") != nullptr || from.find("host") != nullptr;
  auto to = heir_of(control, !own_server);
  to.name = member.key;
  to.at = from.at;
  if (from.kind != node_kind::table) {
    in.add(from.at, path, describe(from), std::format("a table [{}]", path));
    return to;
  }
  in.note(path, from.at);
  if (!is_name(member.key) || member.key == control_database)
    in.add(member.key_at, path, in_quotes(member.key),
           "a name of a-z, 0-9 and _ that begins with a letter, at most 41 "
           "characters, and not postgresql");
  read_section(in, schema::database(), from, path, to);
  if (own_server)
    check_postgresql(in, to, path);
  else
    check_sibling(in, to, path);
  return to;
}

/// The tenant's database; adds a problem when there is none of the name.
const postgresql_config* place(reader& in, const config& all,
                               const tenant_config& tenant,
                               const std::string& path) {
  if (const auto* known = find_database(all, tenant.database))
    return known;
  std::vector<std::string> names;
  for (const auto& x : all.databases)
    names.push_back(x.name);
  auto near = closest(tenant.database, names);
  in.add(in.where(path + ".database", tenant.at), path + ".database",
         in_quotes(tenant.database),
         names.empty() ? "nothing, as there is no [database.NAME]"
                       : one_of(names),
         near ? std::format("did you mean {}?", in_quotes(*near)) : "");
  return &all.postgresql;
}

} // namespace

void read_databases(reader& in, const tree_node& root, config& to) {
  const auto& table = *table_in(in, root, "database", "database");
  if (table.members.size() > max_databases) {
    in.add(table.at, "database",
           std::format("{} databases", table.members.size()),
           std::format("at most {}", max_databases));
    return;
  }
  for (const auto& x : table.members)
    to.databases.push_back(read_database(in, x, to.postgresql));
}

void read_tenants(reader& in, const tree_node& root, config& to) {
  auto tables = tables_in(in, root, "tenant", "tenant", "tenant");
  std::set<std::string> names;
  std::set<std::pair<std::string, std::string>> schemas;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto path = std::format("tenant[{}]", i);
    tenant_config tenant;
    tenant.at = tables[i]->at;
    read_section(in, schema::tenant(), *tables[i], path, tenant);
    check_required(in, schema::tenant(), tenant.at, path);
    const auto* database = place(in, to, tenant, path);
    if (!in.given(path + ".sessions"))
      tenant.sessions = database->sessions;
    if (tenant.schema.empty() && !tenant.name.empty())
      tenant.schema = "tenant_" + tenant.name;
    if (!tenant.name.empty() && !names.insert(tenant.name).second)
      in.add(in.where(path + ".name", tenant.at), path + ".name",
             in_quotes(tenant.name) + " a second time", "a name of its own");
    else if (!tenant.schema.empty()
             && !schemas.insert({tenant.database, tenant.schema}).second)
      in.add(in.where(path + ".schema", tenant.at), path + ".schema",
             in_quotes(tenant.schema) + " a second time",
             "a schema of its own");
    to.tenants.push_back(std::move(tenant));
  }
}

} // namespace millrace
