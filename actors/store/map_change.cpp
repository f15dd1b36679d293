// Rule 25 of protocol.md: another map, at one offset of each partition.

#include "actors/store/map_change.hpp"

#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Where floors and lanes stand, for topics that are read.
constexpr auto progress_query
  = "SELECT t.name, f.partition, f.floor, coalesce((SELECT "
    "max(l.next_off[f.slot]) FROM millrace.lane l WHERE l.pipeline = "
    "f.pipeline), f.floor) FROM millrace.partition_floor f JOIN millrace.topic "
    "t ON t.pipeline = f.pipeline AND t.uuid = f.topic AND t.retired IS NULL "
    "WHERE f.pipeline = $1 ORDER BY f.slot";

std::vector<barrier_progress> progress_of(connection& conn,
                                          const std::string& pipeline) {
  std::vector<barrier_progress> result;
  for (const auto& row : ask(conn, progress_query, {pipeline}))
    result.push_back({std::string{text_of(row[0])}, partition{int32_of(row[1])},
                      offset{int_of(row[2])}, offset{int_of(row[3])}});
  return result;
}

std::vector<lane_id> stopped_lanes(connection& conn,
                                   const std::string& pipeline) {
  std::vector<lane_id> result;
  for (const auto& row :
       ask(conn,
           "SELECT tenant, shard FROM millrace.lane WHERE pipeline = $1 AND "
           "state <> 'active' ORDER BY tenant COLLATE \"C\", shard",
           {pipeline}))
    result.push_back(
      {pipeline, std::string{text_of(row[0])}, shard{int32_of(row[1])}});
  return result;
}

std::string ready_or_why(const std::vector<barrier_progress>& all) {
  for (const auto& x : all)
    if (!x.ready())
      return "partition " + x.topic + '/' + std::to_string(x.number.value)
             + ": a lane is at offset " + std::to_string(x.furthest.value)
             + ", the floor at " + std::to_string(x.floor.value);
  return {};
}

/// One switch within its transaction.
class switching {
public:
  switching(connection& conn, const uuid& change, const new_map& to,
            const waiting_remap& remap, const switch_moves& moves,
            const admin_note& note)
    : conn_{conn},
      change_{to_string(change)},
      to_{to},
      moves_{moves},
      note_{note},
      moving_{conn, to.pipeline, remap} {
  }

  map_switch run() {
    lock();
    check();
    result_.version = map_version{version_ + 1};
    move_map();
    remove_lanes();
    keep_lanes();
    for (const auto& tenant : to_.tenants)
      add_lanes(tenant);
    result_.waiting = moving_.run();
    tend_backfills();
    record();
    return std::move(result_);
  }

private:
  std::vector<sql_row> query(const std::string& text,
                             const sql_params& params) {
    return ask(conn_, text, params);
  }

  void lock() {
    auto now = lock_map(conn_, to_.pipeline);
    version_ = now.version;
    before_
      = query("SELECT jsonb_build_object('map_version', $1::bigint, "
              "'lanes', $2::int, 'map_fingerprint', $3::bigint, "
              "'tenants', (SELECT array_agg(DISTINCT tenant) FROM "
              "millrace.lane WHERE pipeline = $4))",
              {sql(now.version), sql(now.lanes), now.fingerprint, to_.pipeline})
          .at(0)[0];
  }

  void check() {
    auto plan = query("SELECT state, map_version, deadline > "
                      "clock_timestamp() FROM millrace.map_change WHERE id = "
                      "$1 FOR UPDATE",
                      {change_});
    if (plan.empty() || plan[0][0] != "planned" || !bool_of(plan[0][2]))
      refuse("the plan is over: its deadline passed, or somebody ended it");
    if (int_of(plan[0][1]) != version_)
      refuse("the map was changed by somebody else meanwhile");
    if (auto stopped = stopped_lanes(conn_, to_.pipeline); !stopped.empty())
      refuse("lane " + to_string(stopped.front())
             + " does not move: 'millrace "
               "lanes halted' tells why and what makes it go on");
    result_.barrier = progress_of(conn_, to_.pipeline);
    if (auto why = ready_or_why(result_.barrier); !why.empty())
      refuse(why, store_errc::retry);
    check_own_tables(conn_, to_.pipeline, to_.tables);
    if (!moves_.leaving.empty()) {
      check_tenants_may_move(conn_, to_.pipeline);
      check_leaving(conn_, to_.pipeline, moves_);
    }
  }

  /// Nobody reads retired topics, so their floors just go along.
  void move_map() {
    query("UPDATE millrace.pipeline SET map_version = $2, map_fingerprint = "
          "$3, lanes = $4 WHERE pipeline = $1",
          {to_.pipeline, sql(version_ + 1), sql(shape{to_.fingerprint}),
           sql(to_.lanes)});
    query("UPDATE millrace.partition_floor f SET map_version = $2, token = "
          "gen_random_uuid(), floor = greatest(f.floor, (SELECT "
          "max(l.next_off[f.slot]) FROM millrace.lane l WHERE l.pipeline = "
          "$1)), updated = clock_timestamp() WHERE f.pipeline = $1",
          {to_.pipeline, sql(version_ + 1)});
    // Before any row goes, so that no seq is given twice in a lane that comes
    // back later. A database that all tenants had left has dead letters of
    // them.
    auto greatest = query("SELECT coalesce((SELECT max(next_seq) FROM "
                          "millrace.lane WHERE pipeline = $1), (SELECT "
                          "max(seq) + 1 FROM millrace.dead_letter WHERE "
                          "pipeline = $1), 1)",
                          {to_.pipeline});
    seqs_ = sql(moving_.number(seq{int_of(greatest.at(0)[0])}).value);
  }

  std::string names() const {
    std::vector<std::string> all;
    for (const auto& x : to_.tenants)
      all.push_back(x.name);
    return array_text(all);
  }

  void remove_lanes() {
    auto gone = query("DELETE FROM millrace.lane WHERE pipeline = $1 AND "
                      "(shard >= $2 OR NOT tenant = ANY ($3::text[])) "
                      "RETURNING 1",
                      {to_.pipeline, sql(to_.lanes), names()});
    result_.lanes_removed = static_cast<int64_t>(gone.size());
  }

  /// A new epoch and no owner: whoever wrote the lane has to take it over, and
  /// his batches are of the old map.
  void keep_lanes() {
    query("UPDATE millrace.lane SET map_version = $2, epoch = epoch + 1, owner "
          "= NULL, next_seq = $3, updated = clock_timestamp() WHERE pipeline = "
          "$1",
          {to_.pipeline, sql(version_ + 1), seqs_});
  }

  /// They begin at the barrier; where another database had the tenant's
  /// records so far, where that one ended.
  void add_lanes(const boot_tenant& tenant) {
    auto from = moves_.arriving.find(tenant.name);
    auto arrives = from != moves_.arriving.end();
    if (arrives)
      note_arrival(conn_, to_.pipeline, tenant.name, from->second);
    auto made = query(
      "INSERT INTO millrace.lane (pipeline, tenant, shard, map_version, shape, "
      "next_seq, next_off) SELECT $1, $2, g.shard, $3, $4, $5, "
      "coalesce((SELECT array_agg(greatest(f.floor, s.start) ORDER BY f.slot) "
      "FROM millrace.partition_floor f LEFT JOIN millrace.tenant_start s ON "
      "$7 AND s.pipeline = f.pipeline AND s.tenant = $2 AND s.topic = f.topic "
      "AND s.partition = f.partition WHERE f.pipeline = $1), '{}') FROM "
      "generate_series(0, $6::int - 1) AS g(shard) ON CONFLICT DO NOTHING "
      "RETURNING 1",
      {to_.pipeline, tenant.name, sql(version_ + 1), sql(tenant.shape), seqs_,
       sql(to_.lanes), arrives ? "t" : "f"});
    result_.lanes_added += static_cast<int64_t>(made.size());
  }

  /// They end at the floors, which are the barrier.
  void tend_backfills() {
    result_.backfills = end_backfills(conn_, to_.pipeline, to_.tables,
                                      to_.backfills, change_);
    if (!result_.backfills.empty()
        && (!moves_.leaving.empty() || !moves_.arriving.empty()))
      refuse("backfill " + result_.backfills.front().pipeline
             + " would end while tenants change their database: do one after "
               "the other");
    note_tables(conn_, to_.pipeline, to_.tables, version_ + 1, change_);
  }

  void record() {
    query(
      "UPDATE millrace.map_change SET state = 'aborted', ended = "
      "clock_timestamp(), why = 'completed' WHERE pipeline = $1 AND state = "
      "'fenced'",
      {to_.pipeline});
    query("UPDATE millrace.map_change SET state = 'switched', ended = "
          "clock_timestamp(), set_id = $3, barrier = (SELECT "
          "jsonb_agg(jsonb_build_object("
          "'topic', f.topic, 'partition', f.partition, 'offset', f.floor) "
          "ORDER BY f.slot) FROM millrace.partition_floor f WHERE f.pipeline = "
          "$2) WHERE id = $1",
          {change_, to_.pipeline, to_string(moves_.set)});
    if (moves_.homes)
      note_homes(conn_, to_.pipeline, *moves_.homes);
    query("INSERT INTO millrace.admin_action (os_user, host, command, object, "
          "reason, before, after) SELECT $1, $2, $3, $4, $5, $6::jsonb, "
          "jsonb_build_object('map_version', $7::bigint, 'lanes', $8::int, "
          "'map_fingerprint', $9::bigint, 'tenants', $10::text[], 'barrier', "
          "c.barrier, 'waiting_moved', $12::bigint, 'waiting_dead', "
          "$13::bigint) FROM millrace.map_change c WHERE c.id = $11",
          {note_.os_user, note_.host, note_.command, to_.pipeline, note_.reason,
           before_, sql(version_ + 1), sql(to_.lanes),
           sql(shape{to_.fingerprint}), names(), change_,
           sql(result_.waiting.moved), sql(result_.waiting.dead)});
  }

  connection& conn_;
  std::string change_;
  const new_map& to_;
  const switch_moves& moves_;
  const admin_note& note_;
  waiting_move moving_;
  int64_t version_ = 0;
  std::optional<std::string> before_;
  std::optional<std::string> seqs_;
  map_switch result_;
};

} // namespace

bool change_progress::ready() const {
  return planned && stopped.empty()
         && std::ranges::all_of(partitions, &barrier_progress::ready);
}

map_changes::map_changes(connection& conn, admin_note note)
  : conn_{conn},
    note_{std::move(note)} {
}

store_result<std::optional<stored_map>>
map_changes::stored(const std::string& pipeline) {
  return run_steps([&]() -> store_result<std::optional<stored_map>> {
    auto rows = ask(conn_,
                    "SELECT map_version, map_fingerprint, lanes FROM "
                    "millrace.pipeline WHERE pipeline = $1",
                    {pipeline});
    if (rows.empty())
      return std::nullopt;
    stored_map result;
    result.version = map_version{int_of(rows[0][0])};
    result.fingerprint = shape_of(rows[0][1]).value;
    result.lanes = int32_of(rows[0][2]);
    for (const auto& row :
         ask(conn_,
             "SELECT DISTINCT tenant COLLATE \"C\" FROM millrace.lane WHERE "
             "pipeline = $1 ORDER BY 1",
             {pipeline}))
      result.tenants.emplace_back(text_of(row[0]));
    return result;
  });
}

store_result<uuid> map_changes::plan(const new_map& to, map_version from,
                                     std::chrono::milliseconds lease) {
  return conn_.in_transaction([&]() -> store_result<uuid> {
    return run_steps([&]() -> store_result<uuid> {
      auto rows = ask(conn_,
                      "SELECT map_version FROM millrace.pipeline WHERE "
                      "pipeline = $1 FOR UPDATE",
                      {to.pipeline});
      if (rows.empty() || int_of(rows[0][0]) != from.value)
        refuse("the map was changed by somebody else meanwhile");
      ask(conn_,
          "UPDATE millrace.map_change SET state = 'aborted', ended = "
          "clock_timestamp(), why = 'its deadline passed' WHERE pipeline = $1 "
          "AND state = 'planned' AND deadline <= clock_timestamp()",
          {to.pipeline});
      auto other = ask(conn_,
                       "SELECT to_char(planned AT TIME ZONE 'UTC', "
                       "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM "
                       "millrace.map_change WHERE pipeline = $1 AND state = "
                       "'planned'",
                       {to.pipeline});
      if (!other.empty())
        refuse("another change of pipeline " + to.pipeline
               + " is under way since " + other[0][0].value_or("")
               + "; when its command is gone, it is over within a minute");
      if (auto stopped = stopped_lanes(conn_, to.pipeline); !stopped.empty())
        refuse("lane " + to_string(stopped.front())
               + " is not active: 'millrace lanes resume "
               + to_string(stopped.front())
               + "' first, as no event of the old map may be left behind");
      auto halted = ask(conn_,
                        "SELECT t.name, f.partition FROM "
                        "millrace.partition_floor f JOIN millrace.topic t ON "
                        "t.pipeline = f.pipeline AND t.uuid = f.topic AND "
                        "t.retired IS NULL WHERE f.pipeline = $1 AND f.state = "
                        "'halted' ORDER BY f.slot",
                        {to.pipeline});
      if (!halted.empty()) {
        auto name = to.pipeline + '/' + halted[0][0].value_or("") + '/'
                    + halted[0][1].value_or("");
        refuse("partition " + name
               + " is halted: 'millrace lanes resume --partition " + name
               + "' first");
      }
      std::vector<std::string> names;
      for (const auto& x : to.tenants)
        names.push_back(x.name);
      auto made = ask(conn_,
                      "INSERT INTO millrace.map_change (pipeline, map_version, "
                      "map_fingerprint, lanes, tenants, deadline, why) VALUES "
                      "($1, $2, $3, $4, $5, clock_timestamp() + $6::bigint * "
                      "interval '1 millisecond', $7) RETURNING id",
                      {to.pipeline, sql(from.value), sql(shape{to.fingerprint}),
                       sql(to.lanes), array_text(names), sql(lease.count()),
                       note_.reason});
      return uuid_of(made.at(0)[0]);
    });
  });
}

store_result<change_progress>
map_changes::renew(const uuid& change, const std::string& pipeline,
                   std::chrono::milliseconds lease) {
  return run_steps([&]() -> store_result<change_progress> {
    change_progress result;
    auto kept = ask(conn_,
                    "UPDATE millrace.map_change SET deadline = "
                    "clock_timestamp() + $2::bigint * interval '1 "
                    "millisecond' WHERE id = $1 AND state = 'planned' AND "
                    "deadline > clock_timestamp() RETURNING 1",
                    {to_string(change), sql(lease.count())});
    result.planned = !kept.empty();
    result.partitions = progress_of(conn_, pipeline);
    result.stopped = stopped_lanes(conn_, pipeline);
    return result;
  });
}

store_result<map_switch> map_changes::switch_over(const uuid& change,
                                                  const new_map& to,
                                                  const waiting_remap& remap,
                                                  const switch_moves& moves) {
  return conn_.in_transaction([&]() -> store_result<map_switch> {
    return run_steps([&]() -> store_result<map_switch> {
      return switching{conn_, change, to, remap, moves, note_}.run();
    });
  });
}

store_result<int64_t> map_changes::waiting(const std::string& pipeline) {
  return run_steps([&]() -> store_result<int64_t> {
    auto rows = ask(conn_,
                    "SELECT count(*) FROM millrace.waiting WHERE pipeline = $1",
                    {pipeline});
    return int_of(rows.at(0)[0]);
  });
}

store_result<bool> map_changes::abort(const uuid& change,
                                      const std::string& why) {
  auto done = conn_.query("UPDATE millrace.map_change SET state = 'aborted', "
                          "ended = clock_timestamp(), why = $2 WHERE id = $1 "
                          "AND state = 'planned' RETURNING 1",
                          {to_string(change), why});
  if (!done)
    return std::unexpected{done.error()};
  return !done->rows.empty();
}

} // namespace millrace
