#include "actors/store/incarnation.hpp"

#include "actors/store/sql_steps.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

class writing {
public:
  writing(connection& conn, const incarnation& what, const admin_note& note)
    : conn_{conn},
      what_{what},
      note_{note} {
  }

  void run() {
    // Lanes in their order, as every transaction that locks several.
    ask(conn_,
        "SELECT 1 FROM millrace.lane ORDER BY pipeline, tenant, shard FOR "
        "UPDATE",
        {});
    for (const auto& x : what_.lost)
      pass(x);
    for (const auto& [pipeline, version] : what_.map_versions)
      begin_anew(pipeline, version);
    ask(conn_,
        "UPDATE millrace.map_change SET state = 'aborted', ended = "
        "clock_timestamp(), why = 'the database was restored' WHERE state = "
        "'planned'",
        {});
    ask(conn_,
        "UPDATE millrace.coordinator SET epoch = epoch + 1, owner = NULL, node "
        "= NULL, lease_until = '-infinity'",
        {});
    renumber_partitions();
    ask(conn_,
        "INSERT INTO millrace.admin_action (os_user, host, command, object, "
        "reason, after) VALUES ($1, $2, $3, current_database(), $4, "
        "jsonb_build_object('incarnation', $5::text, 'backup', $6::text, "
        "'sha256', $7::text, 'taken', $8::text, 'lost_ranges', $9::int))",
        {note_.os_user, note_.host, note_.command, note_.reason,
         to_string(what_.id), what_.backup, what_.checksum, what_.taken,
         std::to_string(what_.lost.size())});
  }

private:
  /// A row of admin_action for each lane says which records it lacks.
  void pass(const lost_range& x) {
    ask(conn_,
        "WITH behind AS (SELECT l.pipeline, l.tenant, l.shard, f.slot, "
        "greatest(l.next_off[f.slot], f.floor) AS wanted FROM millrace.lane l "
        "JOIN millrace.partition_floor f ON f.pipeline = l.pipeline WHERE "
        "f.pipeline = $1 AND f.topic = $2 AND f.partition = $3 AND "
        "greatest(l.next_off[f.slot], f.floor) < $4::bigint), moved AS (UPDATE "
        "millrace.lane l SET next_off[b.slot] = $4::bigint FROM behind b WHERE "
        "l.pipeline = b.pipeline AND l.tenant = b.tenant AND l.shard = b.shard "
        "RETURNING l.pipeline, l.tenant, l.shard, b.wanted, l.next_off) INSERT "
        "INTO millrace.admin_action (os_user, host, command, object, reason, "
        "before, after) SELECT $5, $6, $7, m.pipeline || '/' || m.tenant || "
        "'/' || m.shard, $8, jsonb_build_object('topic', $9::text, 'uuid', "
        "$2::text, 'partition', $3::int, 'from', m.wanted, 'to', $4::bigint), "
        "jsonb_build_object('next_off', m.next_off) FROM moved m",
        {x.pipeline, to_string(x.source.topic),
         std::to_string(x.source.number.value), std::to_string(x.lowest.value),
         note_.os_user, note_.host, note_.command, note_.reason, x.topic});
  }

  void begin_anew(const std::string& pipeline, int64_t version) {
    sql_params params{pipeline, std::to_string(version)};
    ask(conn_,
        "UPDATE millrace.pipeline SET map_version = $2 WHERE pipeline = $1",
        params);
    ask(conn_,
        "UPDATE millrace.partition_floor SET map_version = $2, token = "
        "gen_random_uuid(), updated = clock_timestamp() WHERE pipeline = $1",
        params);
    ask(conn_,
        "UPDATE millrace.lane SET map_version = $2, epoch = epoch + 1, owner = "
        "NULL, node = NULL, cache_seq = 0, updated = clock_timestamp() WHERE "
        "pipeline = $1",
        params);
  }

  /// Tables have other numbers here than where the backup was made.
  void renumber_partitions() {
    constexpr auto number = "to_regclass(quote_ident(schema_name) || '.' || "
                            "quote_ident(partition_name))::oid";
    for (std::string table :
         {"millrace.partition_removal", "millrace.partition_hold"}) {
      ask(conn_, "DELETE FROM " + table + " WHERE " + number + " IS NULL", {});
      ask(conn_, "UPDATE " + table + " SET partition_oid = " + number, {});
    }
  }

  connection& conn_;
  const incarnation& what_;
  const admin_note& note_;
};

} // namespace

int64_t next_map_version(int64_t restored, int64_t replaced, uint32_t random) {
  return std::max(restored, replaced) + 2 + random % 1'000'000;
}

store_result<void> write_incarnation(connection& conn, const incarnation& x,
                                     const admin_note& note) {
  return conn.in_transaction([&]() -> store_result<void> {
    return run_steps([&]() -> store_result<void> {
      writing{conn, x, note}.run();
      return {};
    });
  });
}

} // namespace millrace
