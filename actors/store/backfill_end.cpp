#include "actors/store/backfill_end.hpp"

#include "actors/store/backfill_list.hpp"
#include "actors/store/backfill_rows.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/tenant_move.hpp"
#include "actors/store/waiting_move.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// In the order of a boot: the other pipeline's map first, which may be about
/// to end it.
void lock(connection& conn, const std::string& pipeline) {
  ask(conn,
      "SELECT 1 FROM millrace.pipeline WHERE pipeline = (SELECT of_pipeline "
      "FROM millrace.backfill WHERE pipeline = $1) FOR SHARE",
      {pipeline});
  auto rows = ask(conn,
                  "SELECT 1 FROM millrace.backfill WHERE pipeline = $1 FOR "
                  "UPDATE",
                  {pipeline});
  if (rows.empty())
    refuse("there is no backfill " + pipeline
           + ": 'millrace lanes backfills' names all");
  lock_map(conn, pipeline);
}

void check_open(connection& conn, const std::string& pipeline) {
  auto all = list_backfills(conn);
  if (!all)
    throw failed_statement{all.error()};
  auto x = std::ranges::find(*all, pipeline, &backfill_status::pipeline);
  if (x == all->end() || !x->open())
    refuse("backfill " + pipeline + " is "
           + (x != all->end() && x->given_up ? "given up" : "done")
           + ": nothing of it is to come");
}

/// How it stands, as an object of JSON.
std::string state_of(connection& conn, const std::string& pipeline) {
  auto rows = ask(conn,
                  "SELECT jsonb_build_object('of', b.of_pipeline, 'tables', "
                  "b.tables, 'ends', b.change IS NOT NULL, 'partitions', "
                  "(SELECT jsonb_agg(jsonb_build_object('topic', p.topic, "
                  "'name', p.topic_name, 'partition', p.partition, 'floor', "
                  "p.floor, 'until', p.until, 'waiting', p.waiting) ORDER BY "
                  "p.slot) FROM millrace.backfill_progress p WHERE p.pipeline "
                  "= b.pipeline)) FROM millrace.backfill b WHERE b.pipeline = "
                  "$1",
                  {pipeline});
  return rows.at(0)[0].value_or("{}");
}

/// What waits would come after newer events, once nobody waits for it.
int64_t bury_waiting(connection& conn, const std::string& pipeline) {
  waiting_remap away = [](const waiting_event&, const lane_id& from) {
    return remapped_event{from, {}, "the backfill was given up"};
  };
  waiting_move moving{conn, pipeline, away};
  auto next = ask(conn,
                  "SELECT coalesce(max(next_seq), 1) FROM millrace.lane WHERE "
                  "pipeline = $1",
                  {pipeline});
  auto after = moving.number(seq{int_of(next.at(0)[0])});
  ask(conn,
      "UPDATE millrace.lane SET next_seq = $2, state = 'active', reason = NULL "
      "WHERE pipeline = $1",
      {pipeline, sql(after.value)});
  return moving.run().dead;
}

} // namespace

store_result<given_up_backfill> give_up_backfill(connection& conn,
                                                 const std::string& pipeline,
                                                 const admin_note& note) {
  return conn.in_transaction([&]() -> store_result<given_up_backfill> {
    return run_steps([&]() -> store_result<given_up_backfill> {
      lock(conn, pipeline);
      check_open(conn, pipeline);
      auto before = state_of(conn, pipeline);
      given_up_backfill result{bury_waiting(conn, pipeline)};
      ask(conn,
          "UPDATE millrace.backfill SET given_up = clock_timestamp() WHERE "
          "pipeline = $1",
          {pipeline});
      ask(conn,
          "UPDATE millrace.partition_floor SET state = 'active', reason = NULL "
          "WHERE pipeline = $1",
          {pipeline});
      begin_anew(conn, pipeline);
      auto noted = record_action(conn, note, pipeline, before,
                                 "{\"given_up\": true, \"waiting_dead\": "
                                   + std::to_string(result.dead) + '}');
      if (!noted)
        return std::unexpected{std::move(noted.error())};
      return result;
    });
  });
}

} // namespace millrace
