#include "actors/store/backup_facts.hpp"

#include "actors/store/catalog.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <set>

namespace millrace {

namespace {

std::string string_of(const std::optional<std::string>& x) {
  return std::string{text_of(x)};
}

std::vector<std::string> names(connection& conn, const std::string& sql) {
  std::vector<std::string> result;
  for (const auto& row : ask(conn, sql, {}))
    result.push_back(string_of(row[0]));
  return result;
}

constexpr auto this_database
  = "(SELECT oid FROM pg_database WHERE datname = current_database())";

/// Where PostgreSQL keeps the locale of the providers that have one.
std::string locale_column(int32_t version) {
  if (version >= 170'000)
    return "datlocale";
  return version >= 150'000 ? "daticulocale" : "NULL";
}

kept_properties read_properties(connection& conn) {
  auto version = conn.server_version();
  auto row = ask(conn,
                 "SELECT pg_get_userbyid(datdba), datcollate, datctype, "
                   + std::string{version >= 150'000 ? "datlocprovider" : "'c'"}
                   + ", " + locale_column(version)
                   + ", datacl IS NOT NULL FROM pg_database WHERE datname = "
                     "current_database()",
                 {})
               .at(0);
  kept_properties result;
  result.owner = string_of(row[0]);
  result.collate = string_of(row[1]);
  result.ctype = string_of(row[2]);
  result.provider = string_of(row[3]);
  result.locale = row[4].value_or("");
  if (bool_of(row[5])) {
    result.grants.emplace();
    for (const auto& x :
         ask(conn,
             "SELECT CASE a.grantee WHEN 0 THEN '' ELSE "
             "pg_get_userbyid(a.grantee) END, a.privilege_type, "
             "a.is_grantable FROM pg_database d, aclexplode(d.datacl) a "
             "WHERE d.datname = current_database() ORDER BY 1, 2",
             {}))
      result.grants->push_back(
        {string_of(x[0]), string_of(x[1]), bool_of(x[2])});
  }
  for (const auto& x :
       ask(conn,
           std::string{"SELECT CASE s.setrole WHEN 0 THEN '' ELSE "
                       "pg_get_userbyid(s.setrole) END, split_part(c, '=', 1), "
                       "substr(c, strpos(c, '=') + 1) FROM "
                       "pg_db_role_setting s, unnest(s.setconfig) c WHERE "
                       "s.setdatabase = "}
             + this_database + " ORDER BY 1, 2",
           {}))
    result.settings.push_back(
      {string_of(x[0]), string_of(x[1]), string_of(x[2])});
  result.roles = names(
    conn, std::string{"SELECT DISTINCT r.rolname FROM pg_shdepend d "
                      "JOIN pg_roles r ON r.oid = d.refobjid WHERE "
                      "d.refclassid = 'pg_authid'::regclass AND (d.dbid "
                      "= "}
            + this_database
            + " OR (d.classid = 'pg_database'::regclass AND d.objid = "
            + this_database + ")) ORDER BY 1");
  result.extensions = names(conn,
                            "SELECT extname FROM pg_extension ORDER BY 1");
  return result;
}

std::vector<kept_pipeline> maps_of(connection& conn) {
  std::vector<kept_pipeline> result;
  for (const auto& x : ask(conn,
                           "SELECT pipeline, map_version, map_fingerprint, "
                           "lanes FROM millrace.pipeline ORDER BY pipeline "
                           "COLLATE \"C\"",
                           {}))
    result.push_back(
      {string_of(x[0]), int_of(x[1]), int_of(x[2]), int32_of(x[3])});
  return result;
}

std::vector<kept_partition> partitions_of(connection& conn) {
  std::vector<kept_partition> result;
  for (const auto& x :
       ask(conn,
           "SELECT f.pipeline, t.name, f.topic, f.partition, f.slot, f.floor, "
           "t.retired IS NOT NULL FROM millrace.partition_floor f JOIN "
           "millrace.topic t ON t.pipeline = f.pipeline AND t.uuid = f.topic "
           "ORDER BY f.pipeline COLLATE \"C\", f.slot",
           {}))
    result.push_back({string_of(x[0]),
                      string_of(x[1]),
                      {uuid_of(x[2]), partition{int32_of(x[3])}},
                      int32_of(x[4]),
                      offset{int_of(x[5])},
                      bool_of(x[6])});
  return result;
}

/// Backfills that have come to their end read nothing any more.
void retire_finished(connection& conn, std::vector<kept_partition>& all) {
  // A backup may be older than they are.
  auto known = has_relation(conn, "millrace.backfill_progress");
  if (!known)
    throw failed_statement{std::move(known.error())};
  if (!*known)
    return;
  for (const auto& x : ask(conn,
                           "SELECT pipeline, topic, partition FROM "
                           "millrace.backfill_progress WHERE ends AND floor >= "
                           "until",
                           {})) {
    partition_id source{uuid_of(x[1]), partition{int32_of(x[2])}};
    for (auto& p : all)
      if (p.pipeline == text_of(x[0]) && p.source == source)
        p.retired = true;
  }
}

std::vector<kept_lane> lanes_of(connection& conn) {
  std::vector<kept_lane> result;
  for (const auto& x :
       ask(conn,
           "SELECT l.pipeline, l.tenant, l.shard, l.state, l.next_seq, "
           "coalesce((SELECT array_agg(greatest(l.next_off[f.slot], f.floor) "
           "ORDER BY f.slot) FROM millrace.partition_floor f WHERE f.pipeline "
           "= l.pipeline), '{}') FROM millrace.lane l ORDER BY l.pipeline "
           "COLLATE \"C\", l.tenant COLLATE \"C\", l.shard",
           {})) {
    auto offsets = parse_array(text_of(x[5]));
    if (!offsets)
      throw bad_value("not a lane's offsets: " + string_of(x[5]));
    result.push_back({{string_of(x[0]), string_of(x[1]), shard{int32_of(x[2])}},
                      string_of(x[3]),
                      seq{int_of(x[4])},
                      std::move(*offsets)});
  }
  return result;
}

/// Tables of extensions come with them, but for the rows that these declare as
/// the user's.
std::vector<kept_table> tables_of(connection& conn) {
  std::vector<kept_table> result;
  for (const auto& x :
       ask(conn,
           "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON "
           "n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence "
           "<> 't' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> "
           "'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_depend d "
           "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND "
           "d.deptype = 'e') ORDER BY n.nspname COLLATE \"C\", c.relname "
           "COLLATE \"C\"",
           {}))
    result.push_back({string_of(x[0]), string_of(x[1]), 0});
  return result;
}

std::string text_of(const std::vector<int64_t>& xs) {
  std::string result;
  for (auto x : xs)
    result += (result.empty() ? "" : ", ") + std::to_string(x);
  return result;
}

/// By key: what only one of both has, and what differs.
template <class T, class Key, class Tell>
void compare(const std::vector<T>& kept, const std::vector<T>& found, Key key,
             Tell tell, std::vector<std::string>& to) {
  std::map<std::string, const T*> left;
  for (const auto& x : found)
    left.emplace(key(x), &x);
  for (const auto& x : kept) {
    auto name = key(x);
    auto i = left.find(name);
    if (i == left.end()) {
      to.push_back(name + " is missing");
      continue;
    }
    if (!(x == *i->second))
      to.push_back(name + ": " + tell(x, *i->second));
    left.erase(i);
  }
  for (const auto& x : found)
    if (auto name = key(x); left.contains(name))
      to.push_back(name + " is not in the backup");
}

} // namespace

store_result<database_facts> read_facts(connection& conn) {
  return run_steps([&]() -> store_result<database_facts> {
    database_facts result;
    auto row = ask(conn,
                   "SELECT current_database(), to_char(now() AT TIME ZONE "
                   "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), (SELECT "
                   "coalesce(max(version), 0) FROM "
                   "millrace.schema_migrations)",
                   {})
                 .at(0);
    result.database = string_of(row[0]);
    result.at = string_of(row[1]);
    result.control_version = int32_of(row[2]);
    result.server_version = conn.server_version();
    result.properties = read_properties(conn);
    result.pipelines = maps_of(conn);
    result.partitions = partitions_of(conn);
    retire_finished(conn, result.partitions);
    result.lanes = lanes_of(conn);
    result.tables = tables_of(conn);
    return result;
  });
}

store_result<void> count_rows(connection& conn,
                              std::vector<kept_table>& tables) {
  return run_steps([&]() -> store_result<void> {
    for (auto& x : tables)
      x.rows = int_of(
        ask(conn,
            "SELECT count(*) FROM ONLY " + quote_identifier(x.schema, x.name),
            {})
          .at(0)
          .at(0));
    return {};
  });
}

store_result<std::optional<std::string>> change_under_way(connection& conn) {
  return run_steps([&]() -> store_result<std::optional<std::string>> {
    auto rows = ask(conn,
                    "SELECT pipeline FROM millrace.map_change WHERE state = "
                    "'fenced' OR (state = 'planned' AND deadline > "
                    "clock_timestamp()) ORDER BY pipeline LIMIT 1",
                    {});
    if (rows.empty())
      return std::nullopt;
    return "the map of pipeline " + string_of(rows[0][0])
           + " is being changed: wait until 'millrace lanes change' has ended, "
             "or run it again where it died";
  });
}

store_result<std::vector<kept_pipeline>> read_maps(connection& conn) {
  return run_steps([&]() -> store_result<std::vector<kept_pipeline>> {
    return maps_of(conn);
  });
}

store_result<int64_t> unrouted_replays(connection& conn,
                                       const std::string& since) {
  return run_steps([&]() -> store_result<int64_t> {
    return int_of(ask(conn,
                      "SELECT count(*) FROM millrace.admin_action WHERE "
                      "command = 'dlq replay' AND object LIKE "
                      "'%/\\_unrouted/%' AND at >= $1::timestamptz",
                      {since})
                    .at(0)
                    .at(0));
  });
}

std::vector<std::string> differences(const database_facts& kept,
                                     const database_facts& found) {
  std::vector<std::string> result;
  compare(
    kept.pipelines, found.pipelines,
    [](const kept_pipeline& x) { return "pipeline " + x.pipeline; },
    [](const kept_pipeline&, const kept_pipeline&) {
      return std::string{"has another map than the backup"};
    },
    result);
  compare(
    kept.partitions, found.partitions,
    [](const kept_partition& x) {
      return std::format("partition {}/{}/{} of topic {}", x.pipeline, x.topic,
                         x.source.number.value, to_string(x.source.topic));
    },
    [](const kept_partition& a, const kept_partition& b) {
      return std::format("floor {} in the backup, {} restored", a.floor.value,
                         b.floor.value);
    },
    result);
  compare(
    kept.lanes, found.lanes,
    [](const kept_lane& x) { return "lane " + to_string(x.lane); },
    [](const kept_lane& a, const kept_lane& b) {
      return std::format("at {} (seq {}, {}) in the backup, at {} (seq {}, {}) "
                         "restored",
                         text_of(a.offsets), a.next_seq.value, a.state,
                         text_of(b.offsets), b.next_seq.value, b.state);
    },
    result);
  compare(
    kept.tables, found.tables,
    [](const kept_table& x) { return "table " + x.schema + '.' + x.name; },
    [](const kept_table& a, const kept_table& b) {
      return std::format("{} rows in the backup, {} restored", a.rows, b.rows);
    },
    result);
  return result;
}

} // namespace millrace
