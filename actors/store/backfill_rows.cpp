#include "actors/store/backfill_rows.hpp"

#include "actors/store/backfill_list.hpp"
#include "actors/store/backfill_rules.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/tenant_move.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace millrace {

namespace {

std::vector<written_span> spans_of(connection& conn,
                                   const std::string& pipeline) {
  std::vector<written_span> result;
  for (const auto& row :
       ask(conn,
           "SELECT name, change, ended IS NOT NULL, since FROM "
           "millrace.written_table WHERE pipeline = $1 ORDER BY since",
           {pipeline}))
    result.push_back(
      {std::string{text_of(row[0])}, row[1], bool_of(row[2]), int_of(row[3])});
  return result;
}

/// Of changes that were completed: that fenced the database for them.
std::vector<tenant_arrival> arrivals_of(connection& conn,
                                        const std::string& pipeline) {
  std::vector<tenant_arrival> result;
  for (const auto& row :
       ask(conn,
           "SELECT a.tenant, c.map_version FROM millrace.map_change c, "
           "jsonb_object_keys(c.arrivals) AS a(tenant) WHERE c.pipeline = $1 "
           "AND c.state = 'aborted' AND c.why = 'completed' ORDER BY "
           "c.map_version, a.tenant COLLATE \"C\"",
           {pipeline}))
    result.push_back({std::string{text_of(row[0])}, int_of(row[1])});
  return result;
}

/// The backfill's row: its pipeline and whether its tables are these.
struct stored_backfill {
  std::string of;
  bool same_tables = false;
};

std::optional<stored_backfill>
find_backfill(connection& conn, const std::string& pipeline,
              const std::vector<std::string>& tables) {
  auto rows = ask(conn,
                  "SELECT of_pipeline, tables @> $2::text[] AND tables <@ "
                  "$2::text[] FROM millrace.backfill WHERE pipeline = $1",
                  {pipeline, array_text(tables)});
  if (rows.empty())
    return std::nullopt;
  return stored_backfill{std::string{text_of(rows[0][0])}, bool_of(rows[0][1])};
}

/// Why a pipeline that has begun cannot go on as the configuration says.
std::optional<std::string> misfit(const boot_request& x,
                                  const std::optional<stored_backfill>& was) {
  auto name = "pipeline " + x.pipeline;
  if (!was && x.backfill)
    return name + " has begun without backfills = \"" + x.backfill->of
           + "\": a backfill is a pipeline of its own, with a name of its own";
  if (was && !x.backfill)
    return name + " is a backfill of " + was->of
           + " and stays one: give what is to be read on another name, or say "
             "backfills = \""
           + was->of + "\"";
  if (was && was->of != x.backfill->of)
    return name + " is a backfill of " + was->of + ", not of " + x.backfill->of;
  if (was && !was->same_tables)
    return name + " is a backfill of other tables than " + listed(x.tables)
           + ": give each backfill a name of its own";
  return std::nullopt;
}

/// Both would make the rows of the records that both read.
void check_alone(connection& conn, const boot_request& x) {
  auto rows = ask(conn,
                  "SELECT pipeline, array_to_string(tables, E'\\n') FROM "
                  "millrace.backfill WHERE of_pipeline = $1 AND given_up IS "
                  "NULL AND tables && $2::text[] ORDER BY pipeline COLLATE "
                  "\"C\" LIMIT 1",
                  {x.backfill->of, array_text(x.tables)});
  if (!rows.empty())
    refuse(
      "pipeline " + std::string{text_of(rows[0][0])} + " backfills "
      + listed(lines_of(text_of(rows[0][1]))) + " of " + x.backfill->of
      + " already: rows would be there twice. Go on with that one, or give "
        "it up and empty its tables");
}

/// It would be known too late that they come: they must not move any more once
/// the backfill has begun.
void check_no_arrivals(connection& conn, const boot_request& x) {
  auto fenced = ask(conn,
                    "SELECT 1 FROM millrace.map_change WHERE pipeline = $1 AND "
                    "state = 'fenced'",
                    {x.backfill->of});
  if (!fenced.empty())
    refuse("tenants are on their way to pipeline " + x.backfill->of + ", which "
             + x.pipeline
             + " backfills: 'millrace lanes change' has to complete that first",
           store_errc::retry);
}

void begin(connection& conn, const boot_request& x) {
  check_alone(conn, x);
  check_no_arrivals(conn, x);
  auto end = end_of_backfill(
    {x.pipeline, x.backfill->of, x.tables, x.backfill->order_matters},
    spans_of(conn, x.backfill->of), arrivals_of(conn, x.backfill->of));
  if (!end)
    refuse(end.error());
  ask(conn,
      "INSERT INTO millrace.backfill (pipeline, of_pipeline, tables, change) "
      "VALUES ($1, $2, $3, $4)",
      {x.pipeline, x.backfill->of, array_text(x.tables), *end});
  if (*end)
    ask(conn,
        "INSERT INTO millrace.backfill_end (pipeline, topic, partition, until) "
        "SELECT $1, b.topic, b.partition, b.\"offset\" FROM "
        "millrace.map_change c, jsonb_to_recordset(c.barrier) AS b(topic uuid, "
        "partition int, \"offset\" bigint) WHERE c.id = $2",
        {x.pipeline, *end});
}

std::vector<backfill_gap> gaps_of(connection& conn,
                                  const std::string& pipeline) {
  std::vector<backfill_gap> result;
  for (const auto& row :
       ask(conn,
           "SELECT topic_name, partition, lacks_from, lacks_to FROM "
           "millrace.backfill_progress WHERE pipeline = $1 AND lacks_to IS NOT "
           "NULL ORDER BY slot",
           {pipeline}))
    result.push_back({std::string{text_of(row[0])},
                      partition{int32_of(row[1])},
                      {offset{int_of(row[2])}, offset{int_of(row[3])}}});
  return result;
}

/// Whether the new map writes what the backfill does.
bool ends_with(connection& conn, const std::string& backfill,
               const std::vector<std::string>& map_tables) {
  std::vector<std::string> tables;
  for (const auto& row :
       ask(conn,
           "SELECT t.name FROM millrace.backfill b, unnest(b.tables) AS "
           "t(name) WHERE b.pipeline = $1 ORDER BY 1",
           {backfill}))
    tables.emplace_back(text_of(row[0]));
  auto verdict = judge_hand_over(tables, map_tables);
  if (verdict == hand_over::in_part)
    refuse("the map writes some of the tables that pipeline " + backfill
           + " backfills, which are " + listed(tables)
           + ": it has to write all of them or none");
  return verdict == hand_over::ends;
}

/// It follows the other one's floors, but a failover may have taken some of
/// them back. Then that one just has to go on a little.
void check_not_ahead(connection& conn, const std::string& backfill) {
  auto rows = ask(conn,
                  "SELECT p.partition, p.until FROM "
                  "millrace.backfill_progress p WHERE p.pipeline = $1 AND "
                  "EXISTS (SELECT 1 FROM millrace.lane l WHERE l.pipeline = $1 "
                  "AND greatest(l.next_off[p.slot], p.floor) > "
                  "greatest(p.until, p.begin)) LIMIT 1",
                  {backfill});
  if (!rows.empty())
    refuse("backfill " + backfill + " is beyond the barrier at partition "
             + rows[0][0].value_or("") + ", which is "
             + rows[0][1].value_or(""),
           store_errc::retry);
}

} // namespace

void begin_anew(connection& conn, const std::string& pipeline) {
  // Not the next one: a failover may have forgotten an end with that version,
  // but not the consumers that have read up to it.
  auto rows = ask(conn,
                  "SELECT map_version + 2 + floor(random() * 1000000)::bigint "
                  "FROM millrace.pipeline WHERE pipeline = $1",
                  {pipeline});
  sql_params params{pipeline, rows.at(0)[0]};
  ask(conn, "UPDATE millrace.pipeline SET map_version = $2 WHERE pipeline = $1",
      params);
  ask(conn,
      "UPDATE millrace.partition_floor SET map_version = $2, token = "
      "gen_random_uuid(), updated = clock_timestamp() WHERE pipeline = $1",
      params);
  ask(conn,
      "UPDATE millrace.lane SET map_version = $2, epoch = epoch + 1, owner = "
      "NULL, updated = clock_timestamp() WHERE pipeline = $1",
      params);
}

void check_tenants_may_move(connection& conn, const std::string& pipeline) {
  auto all = list_backfills(conn);
  if (!all)
    throw failed_statement{all.error()};
  if (auto why = tenants_stay(*all, pipeline))
    refuse(*why);
}

void note_tables(connection& conn, const std::string& pipeline,
                 const std::vector<std::string>& tables, int64_t version,
                 const std::string& change) {
  auto names = array_text(tables);
  // Of a database that did not note them before nobody knows what is new.
  auto known = !ask(conn,
                    "SELECT 1 FROM millrace.written_table WHERE pipeline = $1 "
                    "LIMIT 1",
                    {pipeline})
                  .empty();
  ask(conn,
      "UPDATE millrace.written_table SET ended = clock_timestamp() WHERE "
      "pipeline = $1 AND ended IS NULL AND NOT name = ANY ($2::text[])",
      {pipeline, names});
  ask(conn,
      "INSERT INTO millrace.written_table (pipeline, name, since, change) "
      "SELECT $1, n.name, $3, nullif($4, '')::uuid FROM unnest($2::text[]) AS "
      "n(name) WHERE NOT EXISTS (SELECT 1 FROM millrace.written_table w WHERE "
      "w.pipeline = $1 AND w.name = n.name AND w.ended IS NULL)",
      {pipeline, names, sql(version), known ? change : std::string{}});
}

void lock_of_backfill(connection& conn, const boot_request& x) {
  if (!x.backfill)
    return;
  auto rows = ask(conn,
                  "SELECT 1 FROM millrace.pipeline WHERE pipeline = $1 "
                  "FOR SHARE",
                  {x.backfill->of});
  if (rows.empty())
    refuse("pipeline " + x.backfill->of + ", which " + x.pipeline
             + " backfills, has not begun on this database yet",
           store_errc::retry);
}

std::vector<backfill_gap>
boot_backfill_rows(connection& conn, const boot_request& x, bool first) {
  if (first) {
    if (!x.backfill)
      return {};
    begin(conn, x);
    return gaps_of(conn, x.pipeline);
  }
  if (auto why = misfit(x, find_backfill(conn, x.pipeline, x.tables)))
    refuse(*why);
  return {};
}

void check_own_tables(connection& conn, const std::string& pipeline,
                      const std::vector<std::string>& tables) {
  auto stored = find_backfill(conn, pipeline, tables);
  if (stored && !stored->same_tables)
    refuse("pipeline " + pipeline + " is a backfill of other tables than "
           + listed(tables) + ": give each backfill a name of its own");
}

std::vector<ended_backfill>
end_backfills(connection& conn, const std::string& pipeline,
              const std::vector<std::string>& tables,
              const std::vector<map_backfill>& configured,
              const std::string& change) {
  std::vector<ended_backfill> result;
  for (const auto& row :
       ask(conn,
           "SELECT pipeline FROM millrace.backfill WHERE of_pipeline = $1 AND "
           "change IS NULL AND given_up IS NULL ORDER BY pipeline COLLATE "
           "\"C\" FOR UPDATE",
           {pipeline})) {
    std::string name{text_of(row[0])};
    if (!ends_with(conn, name, tables))
      continue;
    auto known = std::ranges::find(configured, name, &map_backfill::pipeline);
    if (known == configured.end())
      refuse("the map writes tables that pipeline " + name
             + " backfills, which the configuration does not have: whether "
             + pipeline + " has to wait for it is not known");
    lock_map(conn, name);
    check_not_ahead(conn, name);
    ask(conn,
        "INSERT INTO millrace.backfill_end (pipeline, topic, partition, until) "
        "SELECT $1, topic, partition, floor FROM millrace.partition_floor "
        "WHERE pipeline = $2",
        {name, pipeline});
    ask(conn,
        "UPDATE millrace.backfill SET change = $2, holds = $3 WHERE pipeline = "
        "$1",
        {name, change, known->holds ? "t" : "f"});
    begin_anew(conn, name);
    result.push_back({name, known->holds});
  }
  return result;
}

} // namespace millrace
