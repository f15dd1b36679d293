// Rule 1 of protocol.md: rows exist before anything is consumed.

#include "actors/store/backfill_rows.hpp"
#include "actors/store/lane_store.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// One boot within its transaction.
class booting {
public:
  booting(connection& conn, const boot_request& request)
    : conn_{conn},
      request_{request} {
  }

  boot_result run() {
    lock_of_backfill(conn_, request_);
    lock_pipeline();
    for (const auto& topic : request_.topics)
      add_topic(topic);
    lacking_ = boot_backfill_rows(conn_, request_, new_);
    extend_lanes();
    for (const auto& tenant : request_.tenants) {
      add_lanes(tenant);
      check_shape(tenant);
    }
    return read_back();
  }

private:
  std::vector<sql_row> query(const std::string& text,
                             const sql_params& params) {
    return ask(conn_, text, params);
  }

  /// The pipeline's row also serialises boots: slots must not be given twice.
  void lock_pipeline() {
    auto fingerprint = sql(shape{request_.map_fingerprint});
    auto made = query("INSERT INTO millrace.pipeline (pipeline, "
                      "map_fingerprint, lanes) VALUES ($1, $2, $3) ON CONFLICT "
                      "DO NOTHING RETURNING pipeline",
                      {request_.pipeline, fingerprint, sql(request_.lanes)});
    new_ = !made.empty();
    // Where tenants come from another database, nothing after that may be
    // left out.
    first_ = new_
             && query("SELECT 1 FROM millrace.tenant_start WHERE pipeline = $1 "
                      "LIMIT 1",
                      {request_.pipeline})
                  .empty();
    if (first_ && !request_.starts_known)
      refuse("pipeline " + request_.pipeline + " has not begun anywhere yet",
             store_errc::no_start);
    auto rows = query("SELECT map_version, map_fingerprint, lanes FROM "
                      "millrace.pipeline WHERE pipeline = $1 FOR UPDATE",
                      {request_.pipeline});
    const auto& row = rows.at(0);
    version_ = int_of(row[0]);
    if (new_)
      note_tables(conn_, request_.pipeline, request_.tables, version_, {});
    if (int_of(row[2]) == request_.lanes && row[1] == fingerprint)
      return;
    refuse("pipeline " + request_.pipeline + " has map " + *row[0] + ", with "
             + *row[2]
             + " lanes per tenant, in the database and another map in the "
               "configuration, with "
             + std::to_string(request_.lanes)
             + ": lanes, tenants, routes or writes are not the same; 'millrace "
               "lanes change --config FILE --pipeline "
             + request_.pipeline
             + " --reason TEXT' makes the map of a configuration the one that "
               "counts",
           store_errc::other_map);
  }

  /// Whether the name belongs to another topic: the offsets that are stored
  /// mean other records. Not so once the new one has a row of its own.
  bool is_recreated(const std::string& name, const std::string& id) {
    auto rows = query("SELECT bool_or(uuid = $3), count(*) > 0 FROM "
                      "millrace.topic WHERE pipeline = $1 AND name = $2",
                      {request_.pipeline, name, id});
    return bool_of(rows.at(0)[1]) && !bool_of(rows[0][0]);
  }

  offset start_of(const boot_partition& x) const {
    return first_ ? x.first_start.value_or(x.start) : x.start;
  }

  void add_topic(const boot_topic& topic) {
    auto id = to_string(topic.id);
    if (is_recreated(topic.name, id))
      return;
    std::vector<std::optional<int64_t>> starts;
    for (const auto& p : topic.partitions)
      starts.push_back(start_of(p).value);
    query("INSERT INTO millrace.topic (pipeline, uuid, name, partitions, "
          "gap_policy, start_offsets) VALUES ($1, $2, $3, $4, $5, $6) "
          "ON CONFLICT DO NOTHING",
          {request_.pipeline, id, topic.name,
           sql(static_cast<int64_t>(starts.size())), topic.gaps,
           array_text(starts)});
    query("UPDATE millrace.topic SET gap_policy = $3 WHERE pipeline = $1 AND "
          "uuid = $2 AND gap_policy <> $3",
          {request_.pipeline, id, topic.gaps});
    for (const auto& p : topic.partitions)
      query("INSERT INTO millrace.partition_floor (pipeline, topic, "
            "partition, slot, floor, map_version) SELECT $1, $2, $3, "
            "coalesce(max(slot), 0) + 1, $4, $5 FROM millrace.partition_floor "
            "WHERE pipeline = $1 ON CONFLICT (pipeline, topic, partition) "
            "DO NOTHING",
            {request_.pipeline, id, sql(p.number.value), sql(start_of(p).value),
             sql(version_)});
    query("UPDATE millrace.topic t SET partitions = f.n, start_offsets = "
          "start_offsets || (SELECT array_agg(floor ORDER BY partition) FROM "
          "millrace.partition_floor WHERE pipeline = $1 AND topic = $2 AND "
          "partition >= cardinality(t.start_offsets)) FROM (SELECT count(*) "
          "AS n FROM millrace.partition_floor WHERE pipeline = $1 AND topic = "
          "$2) f WHERE t.pipeline = $1 AND t.uuid = $2 AND t.partitions < f.n",
          {request_.pipeline, id});
  }

  /// Appends the slots of new partitions to the lanes that exist. A tenant that
  /// came from another database begins where that one ended.
  void extend_lanes() {
    query("SELECT 1 FROM millrace.lane WHERE pipeline = $1 AND "
          "cardinality(next_off) < (SELECT max(slot) FROM "
          "millrace.partition_floor WHERE pipeline = $1) "
          "ORDER BY pipeline, tenant, shard FOR UPDATE",
          {request_.pipeline});
    query("UPDATE millrace.lane l SET next_off = l.next_off || (SELECT "
          "array_agg(greatest(f.floor, s.start) ORDER BY f.slot) FROM "
          "millrace.partition_floor f LEFT JOIN millrace.tenant_start s ON "
          "s.pipeline = $1 AND s.tenant = l.tenant AND s.topic = f.topic AND "
          "s.partition = f.partition WHERE f.pipeline = $1 AND f.slot > "
          "cardinality(l.next_off)) "
          "WHERE l.pipeline = $1 AND cardinality(l.next_off) < (SELECT "
          "max(slot) FROM millrace.partition_floor WHERE pipeline = $1)",
          {request_.pipeline});
  }

  /// A new tenant's records were set aside by `_unrouted` so far: its lanes
  /// begin where that one ends, or they would write what is a dead letter too.
  /// Where that one is in another database, `tenant_start` says the same.
  /// A tenant that has a lane is not new: a lane that is missing begins at the
  /// floor. A row that is there is not touched: an insert would wait for the
  /// flush of whoever holds it, even of a node that is frozen.
  void add_lanes(const boot_tenant& tenant) {
    query(
      "INSERT INTO millrace.lane (pipeline, tenant, shard, map_version, "
      "shape, next_off) SELECT $1, $2, g.shard, $3, $4, coalesce((SELECT "
      "array_agg(greatest(f.floor, u.next_off[f.slot], (SELECT s.start FROM "
      "millrace.tenant_start s WHERE s.pipeline = $1 AND s.tenant = $2 AND "
      "s.topic = f.topic AND s.partition = f.partition)) ORDER BY f.slot) "
      "FROM millrace.partition_floor f LEFT JOIN millrace.lane u ON "
      "u.pipeline = f.pipeline AND u.tenant = '_unrouted' AND u.shard = 0 "
      "AND NOT EXISTS (SELECT 1 FROM millrace.lane o WHERE o.pipeline = $1 "
      "AND o.tenant = $2) WHERE f.pipeline = $1), '{}') FROM "
      "generate_series(0, $5::int - 1) AS g(shard) WHERE NOT EXISTS (SELECT 1 "
      "FROM millrace.lane p WHERE p.pipeline = $1 AND p.tenant = $2 AND "
      "p.shard = g.shard) ON CONFLICT DO NOTHING",
      {request_.pipeline, tenant.name, sql(version_), sql(tenant.shape),
       sql(request_.lanes)});
  }

  void check_shape(const boot_tenant& tenant) {
    sql_params params{request_.pipeline, tenant.name, sql(tenant.shape)};
    auto rows = query("SELECT shard FROM millrace.lane WHERE pipeline = $1 "
                      "AND tenant = $2 AND shape <> $3 ORDER BY shard "
                      "FOR UPDATE",
                      params);
    if (rows.empty())
      return;
    if (!request_.adopt_shape)
      refuse("the columns that pipeline " + request_.pipeline
               + " writes for tenant " + tenant.name
               + " are other ones than this node's program was compiled for",
             store_errc::other_map);
    query("UPDATE millrace.lane SET shape = $3 WHERE pipeline = $1 "
          "AND tenant = $2 AND shape <> $3",
          params);
  }

  boot_result read_back() {
    boot_result result;
    result.lacking = std::move(lacking_);
    result.map_version = map_version{version_};
    for (const auto& row :
         query("SELECT f.topic, f.partition, t.name, f.slot, f.floor, "
               "f.state = 'halted' FROM millrace.partition_floor f JOIN "
               "millrace.topic t ON t.pipeline = f.pipeline AND t.uuid = "
               "f.topic WHERE f.pipeline = $1 ORDER BY f.slot",
               {request_.pipeline}))
      result.partitions.push_back(
        {{uuid_of(row[0]), partition{int32_of(row[1])}},
         std::string{text_of(row[2])},
         slot{int32_of(row[3]) - 1},
         offset{int_of(row[4])},
         bool_of(row[5])});
    for (const auto& row :
         query("SELECT tenant, shard, state, shape FROM millrace.lane WHERE "
               "pipeline = $1 ORDER BY tenant COLLATE \"C\", shard",
               {request_.pipeline})) {
      auto state = parse_lane_state(text_of(row[2]));
      if (!state)
        throw bad_value("not a lane's state");
      result.lanes.push_back({{request_.pipeline, std::string{text_of(row[0])},
                               shard{int32_of(row[1])}},
                              *state,
                              shape_of(row[3])});
    }
    return result;
  }

  connection& conn_;
  const boot_request& request_;
  int64_t version_ = 0;

  /// The pipeline's row was made by this boot, ...
  bool new_ = false;

  /// ... and it begins where the configuration says.
  bool first_ = false;
  std::vector<backfill_gap> lacking_;
};

} // namespace

store_result<boot_result> lane_store::boot(const boot_request& x) {
  if (x.lanes < 1)
    return std::unexpected{
      store_error{store_errc::refused, {}, "a tenant needs at least one lane"}};
  return conn_.in_transaction([&]() -> store_result<boot_result> {
    return run_steps(
      [&]() -> store_result<boot_result> { return booting{conn_, x}.run(); });
  });
}

} // namespace millrace
