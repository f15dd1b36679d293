#include "nodes/homes.hpp"

#include "actors/store/sql_values.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace millrace {

namespace {

using nothing_or_failure = std::expected<void, prepare_failure>;

std::unexpected<prepare_failure> refuse(std::string text,
                                        bool passing = false) {
  return std::unexpected{prepare_failure{passing, {std::move(text)}}};
}

std::unexpected<prepare_failure> refuse(const store_error& x,
                                        const std::string& doing) {
  auto passing = x.code == store_errc::unavailable
                 || x.code == store_errc::retry
                 || x.code == store_errc::back_off;
  return refuse(doing + ": " + x.message, passing);
}

/// Read positions of a pipeline by (topic, partition), as text and number.
using positions = std::map<std::pair<std::string, std::string>, int64_t>;

store_result<positions> read_positions(connection& conn, const std::string& sql,
                                       const std::string& pipeline) {
  auto rows = conn.query(sql, {pipeline});
  if (!rows)
    return std::unexpected{rows.error()};
  positions result;
  for (const auto& row : rows->rows)
    result[{std::string{text_of(row[0])}, std::string{text_of(row[1])}}]
      = int_of(row[2]);
  return result;
}

constexpr auto unrouted_positions
  = "SELECT f.topic, f.partition, greatest(f.floor, l.next_off[f.slot]) FROM "
    "millrace.partition_floor f JOIN millrace.lane l ON l.pipeline = "
    "f.pipeline AND l.tenant = '_unrouted' AND l.shard = 0 WHERE f.pipeline "
    "= $1";

constexpr auto floors = "SELECT topic, partition, floor FROM "
                        "millrace.partition_floor WHERE pipeline = $1";

/// The offsets from which on a new tenant of `home` is its own.
std::expected<positions, prepare_failure>
bounds(connection& control, const std::string& pipeline,
       const postgresql_config& home, const database_opener& open) {
  auto doing = "finding where tenants of database '" + home.name + "' begin";
  auto result = read_positions(control, unrouted_positions, pipeline);
  if (!result)
    return refuse(result.error(), doing);
  auto conn = open(home);
  if (!conn)
    return refuse(conn.error(), doing);
  auto made = conn->query("SELECT to_regclass('millrace.partition_floor') IS "
                          "NOT NULL");
  if (!made)
    return refuse(made.error(), doing);
  if (!bool_of(made->rows.at(0)[0]))
    return *result;
  auto there = read_positions(*conn, floors, pipeline);
  if (!there)
    return refuse(there.error(), doing);
  // Where `_unrouted` has not begun there is nothing that it could hold.
  for (const auto& [where, at] : *there)
    if (auto i = result->find(where); i != result->end())
      i->second = std::max(i->second, at);
  return *result;
}

nothing_or_failure record_home(connection& control, const std::string& pipeline,
                               const std::string& tenant,
                               const postgresql_config& home,
                               const database_opener& open) {
  auto from = bounds(control, pipeline, home, open);
  if (!from)
    return std::unexpected{from.error()};
  auto done = control.in_transaction([&]() -> store_result<void> {
    for (const auto& [where, at] : *from)
      if (auto x = control.query(
            "INSERT INTO millrace.tenant_start (pipeline, tenant, topic, "
            "partition, start) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO "
            "NOTHING",
            {pipeline, tenant, where.first, where.second, sql(at)});
          !x)
        return std::unexpected{x.error()};
    auto x = control.query("INSERT INTO millrace.tenant_home (pipeline, "
                           "tenant, database) VALUES ($1, $2, $3)",
                           {pipeline, tenant, home.name});
    if (!x)
      return std::unexpected{x.error()};
    return {};
  });
  if (!done)
    return refuse(done.error(), "recording the database of tenant " + tenant);
  return {};
}

/// Which tenants of the pipeline have rows in the control database, and which
/// database the others are recorded in.
store_result<std::map<std::string, std::string>>
known_homes(connection& control, const std::string& pipeline) {
  auto rows = control.query(
    "SELECT tenant, database FROM millrace.tenant_home WHERE pipeline = $1 "
    "UNION ALL SELECT DISTINCT tenant, $2::text FROM millrace.lane WHERE "
    "pipeline = $1",
    {pipeline, std::string{control_database}});
  if (!rows)
    return std::unexpected{rows.error()};
  std::map<std::string, std::string> result;
  for (const auto& row : rows->rows)
    result.emplace(text_of(row[0]), text_of(row[1]));
  return result;
}

/// Compares with what is recorded; records what is new.
nothing_or_failure settle(connection& control, const config& all,
                          const prepared_pipeline& pipeline,
                          const database_opener& open) {
  const auto& name = pipeline.config.name;
  auto known = known_homes(control, name);
  if (!known)
    return refuse(known.error(), "reading where tenants are");
  for (const auto& tenant : all.tenants) {
    auto i = known->find(tenant.name);
    if (i != known->end() && i->second != tenant.database)
      return refuse(to_string(tenant.at) + ": tenant." + tenant.name
                    + ".database: found '" + tenant.database + "', expected '"
                    + i->second
                    + "', which has been written already; a tenant cannot be "
                      "moved");
  }
  if (!pipeline.share)
    return {};
  for (const auto& x : pipeline.share->elsewhere)
    if (!known->contains(x.name))
      if (auto done = record_home(control, name, x.name,
                                  database_of(all, x.name), open);
          !done)
        return done;
  return {};
}

} // namespace

nothing_or_failure check_identity(connection& conn,
                                  const postgresql_config& database) {
  // Two statements: the first one may wait for another node's, and its
  // snapshot does not show what that one wrote.
  auto known = conn.query("INSERT INTO millrace.identity (name) VALUES ($1) ON "
                          "CONFLICT DO NOTHING",
                          {database.name});
  if (known)
    known = conn.query("SELECT name FROM millrace.identity");
  if (!known)
    return refuse(known.error(), "reading which database this is");
  auto name = known->rows.at(0)[0].value_or("");
  if (name == database.name)
    return {};
  return refuse("[" + section_of(database)
                + "] leads to a database that is known as '" + name
                + "': each database has one name, and one section");
}

nothing_or_failure settle_homes(connection& control, const config& all,
                                std::vector<prepared_pipeline>& pipelines,
                                const database_opener& open) {
  for (auto& pipeline : pipelines) {
    if (auto done = settle(control, all, pipeline, open); !done)
      return done;
    if (!pipeline.share)
      continue;
    auto rows = control.query("SELECT tenant, topic, partition, start FROM "
                              "millrace.tenant_start WHERE pipeline = $1",
                              {pipeline.config.name});
    if (!rows)
      return refuse(rows.error(), "reading where tenants begin");
    for (const auto& row : rows->rows)
      pipeline.share_starts.push_back(
        {std::string{text_of(row[0])},
         {uuid_of(row[1]), partition{int32_of(row[2])}},
         offset{int_of(row[3])}});
  }
  return {};
}

namespace {

/// Copies the tenant's bounds from the control database.
nothing_or_failure
fetch_home(connection& conn, connection& control, const std::string& pipeline,
           const postgresql_config& database, const std::string& tenant) {
  auto home = control.query("SELECT 1 FROM millrace.tenant_home WHERE pipeline "
                            "= $1 AND tenant = $2 AND database = $3",
                            {pipeline, tenant, database.name});
  if (!home)
    return refuse(home.error(),
                  "asking the control database for tenant " + tenant);
  if (home->rows.empty())
    return refuse("the control database does not know yet that tenant " + tenant
                    + " is in database '" + database.name + "'",
                  true);
  auto starts = control.query("SELECT topic, partition, start FROM "
                              "millrace.tenant_start WHERE pipeline = $1 AND "
                              "tenant = $2",
                              {pipeline, tenant});
  if (!starts)
    return refuse(starts.error(), "reading where tenants begin");
  for (const auto& row : starts->rows)
    if (auto done = conn.query(
          "INSERT INTO millrace.tenant_start (pipeline, tenant, topic, "
          "partition, start) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO "
          "NOTHING",
          {pipeline, tenant, row[0], row[1], row[2]});
        !done)
      return refuse(done.error(), "noting where tenants begin");
  return {};
}

} // namespace

nothing_or_failure fetch_homes(connection& conn, const config& all,
                               const postgresql_config& database,
                               const std::vector<prepared_pipeline>& pipelines,
                               const database_opener& open) {
  std::optional<connection> control;
  for (const auto& pipeline : pipelines) {
    const auto& name = pipeline.config.name;
    // Without a reading for the control database nobody else had the records.
    if (!is_read_for(all, pipeline.config, control_database))
      continue;
    for (const auto& tenant : pipeline.tenants) {
      auto lanes = conn.query("SELECT 1 FROM millrace.lane WHERE pipeline = $1 "
                              "AND tenant = $2 LIMIT 1",
                              {name, tenant.name});
      if (!lanes)
        return refuse(lanes.error(), "looking for lanes");
      if (!lanes->rows.empty())
        continue;
      if (!control) {
        auto opened = open(all.postgresql);
        if (!opened)
          return refuse(opened.error(), "asking the control database for "
                                        "tenants that are new");
        control.emplace(std::move(*opened));
      }
      if (auto done = fetch_home(conn, *control, name, database, tenant.name);
          !done)
        return done;
    }
  }
  return {};
}

} // namespace millrace
