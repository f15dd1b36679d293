#include "actors/store/tenant_move.hpp"

#include "actors/store/backfill_rows.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace {

namespace {

/// Rows of topic, partition and offset.
partition_marks marks_of(const std::vector<sql_row>& rows) {
  partition_marks result;
  for (const auto& row : rows)
    result[{uuid_of(row[0]), partition{int32_of(row[1])}}]
      = offset{int_of(row[2])};
  return result;
}

partition_marks read_floors(connection& conn, const std::string& pipeline) {
  return marks_of(
    ask(conn,
        "SELECT f.topic, f.partition, f.floor FROM millrace.partition_floor f "
        "JOIN millrace.topic t ON t.pipeline = f.pipeline AND t.uuid = f.topic "
        "AND t.retired IS NULL WHERE f.pipeline = $1",
        {pipeline}));
}

int64_t count_waiting(connection& conn, const std::string& pipeline,
                      const std::vector<std::string>& tenants) {
  auto rows = ask(conn,
                  "SELECT count(*) FROM millrace.waiting WHERE pipeline = $1 "
                  "AND tenant = ANY ($2::text[])",
                  {pipeline, array_text(tenants)});
  return int_of(rows.at(0)[0]);
}

/// Nobody's program has it.
constexpr auto no_map = "0";

/// All that a batch or a floor act of the map of before would match is gone
/// afterwards.
void put_map(connection& conn, const std::string& pipeline, int64_t version,
             const std::optional<std::string>& fingerprint) {
  ask(conn,
      "UPDATE millrace.pipeline SET map_version = $2, map_fingerprint = $3 "
      "WHERE pipeline = $1",
      {pipeline, sql(version), fingerprint});
  ask(conn,
      "UPDATE millrace.partition_floor SET map_version = $2, token = "
      "gen_random_uuid(), updated = clock_timestamp() WHERE pipeline = $1",
      {pipeline, sql(version)});
  ask(conn,
      "UPDATE millrace.lane SET map_version = $2, epoch = epoch + 1, owner = "
      "NULL, updated = clock_timestamp() WHERE pipeline = $1",
      {pipeline, sql(version)});
}

std::string text_of(const partition_id& x) {
  return to_string(x.topic) + '/' + std::to_string(x.number.value);
}

} // namespace

std::optional<std::string> hand_over_problem(const partition_marks& giver,
                                             const partition_marks& receiver) {
  for (const auto& [where, at] : receiver) {
    auto mine = giver.find(where);
    if (mine == giver.end())
      return "partition " + text_of(where)
             + " is not known yet where the tenant comes from";
    if (mine->second < at)
      return std::format("partition {}: read up to {} where the tenant comes "
                         "from, to {} where it goes to",
                         text_of(where), mine->second.value, at.value);
  }
  return std::nullopt;
}

// -- steps --------------------------------------------------------------------

locked_map lock_map(connection& conn, const std::string& pipeline) {
  auto rows = ask(conn,
                  "SELECT map_version, lanes, map_fingerprint FROM "
                  "millrace.pipeline WHERE pipeline = $1 FOR UPDATE",
                  {pipeline});
  if (rows.empty())
    refuse("the pipeline " + pipeline + " is gone");
  ask(conn,
      "SELECT 1 FROM millrace.partition_floor WHERE pipeline = $1 ORDER BY "
      "slot FOR UPDATE",
      {pipeline});
  ask(conn,
      "SELECT 1 FROM millrace.lane WHERE pipeline = $1 ORDER BY pipeline, "
      "tenant, shard FOR UPDATE",
      {pipeline});
  return {int_of(rows[0][0]), int32_of(rows[0][1]), rows[0][2]};
}

void check_leaving(connection& conn, const std::string& pipeline,
                   const switch_moves& x) {
  if (auto n = count_waiting(conn, pipeline, x.leaving); n > 0)
    refuse(std::to_string(n)
           + " events of a tenant that goes to another database wait; they "
             "have to be written or to become dead letters first");
  auto mine = read_floors(conn, pipeline);
  for (const auto& receiver : x.receivers)
    if (auto why = hand_over_problem(mine, receiver))
      refuse(*why, store_errc::retry);
}

void note_arrival(connection& conn, const std::string& pipeline,
                  const std::string& tenant, const partition_marks& from) {
  for (const auto& [where, at] : from)
    ask(conn,
        "INSERT INTO millrace.tenant_start (pipeline, tenant, topic, "
        "partition, start) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pipeline, "
        "tenant, topic, partition) DO UPDATE SET start = excluded.start",
        {pipeline, tenant, to_string(where.topic), sql(where.number.value),
         sql(at.value)});
}

void note_homes(connection& conn, const std::string& pipeline,
                const std::map<std::string, std::string>& homes) {
  std::vector<std::string> names;
  for (const auto& [tenant, database] : homes)
    names.push_back(tenant);
  ask(conn,
      "DELETE FROM millrace.tenant_home WHERE pipeline = $1 AND NOT tenant = "
      "ANY ($2::text[])",
      {pipeline, array_text(names)});
  for (const auto& [tenant, database] : homes) {
    auto made = ask(conn,
                    "INSERT INTO millrace.tenant_home (pipeline, tenant, "
                    "database) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING "
                    "RETURNING 1",
                    {pipeline, tenant, database});
    if (made.empty())
      ask(conn,
          "UPDATE millrace.tenant_home SET database = $3 WHERE pipeline = $1 "
          "AND tenant = $2",
          {pipeline, tenant, database});
    else
      ask(conn,
          "INSERT INTO millrace.tenant_start (pipeline, tenant, topic, "
          "partition, start) SELECT $1, $2, topic, partition, floor FROM "
          "millrace.partition_floor WHERE pipeline = $1 ON CONFLICT (pipeline, "
          "tenant, topic, partition) DO UPDATE SET start = excluded.start",
          {pipeline, tenant});
  }
}

// -- fences -------------------------------------------------------------------

tenant_moves::tenant_moves(connection& conn, const std::string& pipeline)
  : conn_{conn},
    pipeline_{pipeline} {
}

store_result<std::optional<map_fence>> tenant_moves::fenced() {
  return run_steps([&]() -> store_result<std::optional<map_fence>> {
    auto rows = ask(conn_,
                    "SELECT id, set_id, map_fingerprint, lanes FROM "
                    "millrace.map_change WHERE pipeline = $1 AND state = "
                    "'fenced'",
                    {pipeline_});
    if (rows.empty())
      return std::nullopt;
    map_fence result{uuid_of(rows[0][0]),
                     uuid_of(rows[0][1]),
                     shape_of(rows[0][2]).value,
                     int32_of(rows[0][3]),
                     {}};
    for (const auto& row :
         ask(conn_,
             "SELECT a.key, a.value FROM millrace.map_change c, "
             "jsonb_each_text(c.arrivals) a WHERE c.id = $1",
             {rows[0][0]}))
      result.arrivals.emplace(millrace::text_of(row[0]),
                              millrace::text_of(row[1]));
    return result;
  });
}

store_result<void>
tenant_moves::fence(const uuid& change, const uuid& set,
                    const std::map<std::string, std::string>& arrivals) {
  std::vector<std::string> tenants;
  std::vector<std::string> databases;
  for (const auto& [tenant, database] : arrivals) {
    tenants.push_back(tenant);
    databases.push_back(database);
  }
  return conn_.in_transaction([&]() -> store_result<void> {
    return run_steps([&]() -> store_result<void> {
      auto now = lock_map(conn_, pipeline_);
      auto plan = ask(conn_,
                      "SELECT state = 'planned' AND deadline > "
                      "clock_timestamp() AND map_version = $2 FROM "
                      "millrace.map_change WHERE id = $1 FOR UPDATE",
                      {to_string(change), sql(now.version)});
      if (plan.empty() || !bool_of(plan[0][0]))
        refuse("the plan is over: its deadline passed, or somebody ended it");
      check_tenants_may_move(conn_, pipeline_);
      auto beyond = ask(conn_,
                        "SELECT 1 FROM millrace.partition_floor f JOIN "
                        "millrace.topic t ON t.pipeline = f.pipeline AND "
                        "t.uuid = f.topic AND t.retired IS NULL JOIN "
                        "millrace.lane l ON l.pipeline = f.pipeline WHERE "
                        "f.pipeline = $1 AND l.next_off[f.slot] > f.floor "
                        "LIMIT 1",
                        {pipeline_});
      if (!beyond.empty())
        refuse("a lane is beyond the floor", store_errc::retry);
      auto stopped = ask(conn_,
                         "SELECT tenant, shard FROM millrace.lane WHERE "
                         "pipeline = $1 AND state <> 'active' LIMIT 1",
                         {pipeline_});
      if (!stopped.empty())
        refuse("lane " + pipeline_ + '/' + stopped[0][0].value_or("") + '/'
               + stopped[0][1].value_or("") + " does not move");
      put_map(conn_, pipeline_, now.version + 1, no_map);
      ask(conn_,
          "UPDATE millrace.map_change SET state = 'fenced', map_version = $2, "
          "set_id = $3, before_fingerprint = $4, arrivals = (SELECT "
          "jsonb_object_agg(x.tenant, x.database) FROM unnest($5::text[], "
          "$6::text[]) AS x(tenant, database)) WHERE id = $1",
          {to_string(change), sql(now.version + 1), to_string(set),
           now.fingerprint, array_text(tenants), array_text(databases)});
      return {};
    });
  });
}

store_result<void> tenant_moves::unfence(const map_fence& x,
                                         const std::string& why) {
  return conn_.in_transaction([&]() -> store_result<void> {
    return run_steps([&]() -> store_result<void> {
      auto now = lock_map(conn_, pipeline_);
      auto before = ask(conn_,
                        "UPDATE millrace.map_change SET state = 'aborted', "
                        "ended = clock_timestamp(), why = $2 WHERE id = $1 AND "
                        "state = 'fenced' RETURNING before_fingerprint",
                        {to_string(x.change), why});
      if (!before.empty())
        put_map(conn_, pipeline_, now.version + 1, before[0][0]);
      return {};
    });
  });
}

store_result<std::optional<partition_marks>>
tenant_moves::switched(const uuid& set) {
  return run_steps([&]() -> store_result<std::optional<partition_marks>> {
    auto part = ask(conn_,
                    "SELECT 1 FROM millrace.map_change WHERE pipeline = $1 AND "
                    "set_id = $2 AND state = 'switched'",
                    {pipeline_, to_string(set)});
    if (part.empty())
      return std::nullopt;
    auto rows = ask(conn_,
                    "SELECT b->>'topic', b->>'partition', b->>'offset' FROM "
                    "millrace.map_change c, jsonb_array_elements(c.barrier) b "
                    "WHERE c.pipeline = $1 AND c.set_id = $2 AND c.state = "
                    "'switched'",
                    {pipeline_, to_string(set)});
    return marks_of(rows);
  });
}

store_result<partition_marks> tenant_moves::floors() {
  return run_steps([&]() -> store_result<partition_marks> {
    return read_floors(conn_, pipeline_);
  });
}

store_result<int64_t>
tenant_moves::waiting(const std::vector<std::string>& tenants) {
  return run_steps([&]() -> store_result<int64_t> {
    return count_waiting(conn_, pipeline_, tenants);
  });
}

store_result<void> tenant_moves::note_home(const std::string& tenant,
                                           const std::string& database) {
  return run_steps([&]() -> store_result<void> {
    ask(conn_,
        "UPDATE millrace.tenant_home SET database = $3, at = now() WHERE "
        "pipeline = $1 AND tenant = $2 AND database <> $3",
        {pipeline_, tenant, database});
    return {};
  });
}

} // namespace millrace
