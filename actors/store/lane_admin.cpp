#include "actors/store/lane_admin.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

std::unexpected<store_error> error(store_errc code, std::string message) {
  return std::unexpected{store_error{code, {}, std::move(message)}};
}

/// Runs `body`; values that cannot be become `failed`.
template <class Body>
auto checked(Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const bad_value& e) {
    return error(store_errc::failed, e.what());
  }
}

constexpr auto key_guard = " WHERE l.pipeline = $1 AND l.tenant = $2 AND "
                           "l.shard = $3 ";

/// What is kept of a lane's row before and after a change.
constexpr auto lane_json
  = "jsonb_build_object('state', l.state, 'reason', l.reason, 'epoch', "
    "l.epoch, 'next_seq', l.next_seq, 'next_off', l.next_off)";

constexpr auto utc_format = "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";

std::string utc(const std::string& column) {
  return "to_char(" + column + " AT TIME ZONE 'UTC', " + utc_format + ')';
}

sql_params key_of(const lane_id& lane) {
  return {lane.pipeline, lane.tenant, sql(lane.number.value)};
}

std::string to_text(const partition_name& x) {
  return x.pipeline + '/' + x.topic + '/' + std::to_string(x.number.value);
}

lane_status status_of(const sql_row& row) {
  lane_status result;
  result.lane = {std::string{text_of(row[0])}, std::string{text_of(row[1])},
                 shard{int32_of(row[2])}};
  auto state = parse_lane_state(text_of(row[3]));
  if (!state)
    throw bad_value("not a lane's state: " + *row[3]);
  result.state = *state;
  result.epoch = epoch{int_of(row[4])};
  if (row[5])
    result.owner = uuid_of(row[5]);
  result.node = row[6].value_or("");
  result.next_seq = seq{int_of(row[7])};
  result.reason = row[8].value_or("");
  result.updated = row[9].value_or("");
  result.waiting = int_of(row[15]);
  return result;
}

} // namespace

lane_admin::lane_admin(connection& conn, admin_note note)
  : conn_{conn},
    note_{std::move(note)} {
}

// -- looking ------------------------------------------------------------------

store_result<std::vector<lane_status>>
lane_admin::list(const lane_filter& which) {
  auto found = conn_.query(
    "SELECT l.pipeline, l.tenant, l.shard, l.state, l.epoch, l.owner, l.node, "
    "l.next_seq, l.reason, "
      + utc("l.updated")
      + ", p.name, p.topic, p.partition, p.slot, greatest(l.next_off[p.slot], "
        "p.floor), (SELECT count(*) FROM millrace.waiting w WHERE w.pipeline = "
        "l.pipeline AND w.tenant = l.tenant AND w.shard = l.shard), p.until "
        "FROM millrace.lane l LEFT JOIN (SELECT f.*, t.name, b.until FROM "
        "millrace.partition_floor f JOIN millrace.topic t ON t.pipeline = "
        "f.pipeline AND t.uuid = f.topic AND t.retired IS NULL LEFT JOIN "
        "millrace.backfill_progress b ON b.pipeline = f.pipeline AND "
        "b.topic = f.topic AND b.partition = f.partition) p ON "
        "p.pipeline = l.pipeline WHERE ($1::text IS NULL OR l.pipeline = $1) "
        "AND ($2::text IS NULL OR l.tenant = $2) AND ($3::text IS NULL OR "
        "l.state = $3) AND ($4::bool = false OR l.state <> 'active') "
        "ORDER BY l.pipeline COLLATE \"C\", l.tenant COLLATE \"C\", l.shard, "
        "p.slot",
    {which.pipeline, which.tenant,
     which.state.transform([](lane_state x) { return to_string(x); }),
     which.stopped ? "true" : "false"});
  if (!found)
    return std::unexpected{found.error()};
  return checked([&]() -> store_result<std::vector<lane_status>> {
    std::vector<lane_status> result;
    for (const auto& row : found->rows) {
      auto x = status_of(row);
      if (result.empty() || result.back().lane != x.lane)
        result.push_back(std::move(x));
      if (!row[11] || !row[14])
        continue;
      result.back().partitions.push_back(
        {std::string{text_of(row[10])},
         {uuid_of(row[11]), partition{int32_of(row[12])}},
         slot{int32_of(row[13]) - 1},
         offset{int_of(row[14])},
         row[16].transform(
           [](const std::string& n) { return offset{int_of(n)}; })});
    }
    return result;
  });
}

store_result<lane_status> lane_admin::find(const lane_id& lane) {
  auto all = list({lane.pipeline, lane.tenant, std::nullopt, false});
  if (!all)
    return std::unexpected{all.error()};
  auto i = std::ranges::find(*all, lane, &lane_status::lane);
  if (i == all->end())
    return error(store_errc::no_lane, "there is no lane " + to_string(lane)
                                        + "; 'millrace lanes list' names all");
  return std::move(*i);
}

store_result<std::vector<halted_partition>>
lane_admin::halted_partitions(const std::optional<std::string>& pipeline) {
  auto found = conn_.query(
    "SELECT f.pipeline, t.name, f.partition, f.floor, f.reason, "
      + utc("f.updated")
      + " FROM millrace.partition_floor f JOIN millrace.topic t ON t.pipeline "
        "= f.pipeline AND t.uuid = f.topic AND t.retired IS NULL WHERE "
        "f.state = 'halted' AND ($1::text IS NULL OR f.pipeline = $1) "
        "ORDER BY f.pipeline COLLATE \"C\", t.name COLLATE \"C\", f.partition",
    {pipeline});
  if (!found)
    return std::unexpected{found.error()};
  return checked([&]() -> store_result<std::vector<halted_partition>> {
    std::vector<halted_partition> result;
    for (const auto& row : found->rows)
      result.push_back(
        {{std::string{text_of(row[0])}, std::string{text_of(row[1])},
          partition{int32_of(row[2])}},
         offset{int_of(row[3])},
         row[4].value_or(""),
         row[5].value_or("")});
    return result;
  });
}

// -- changes ------------------------------------------------------------------

/// Runs a guarded update of one lane's row. `otherwise` follows "… is halted: "
/// when the guard does not hold.
store_result<void> lane_admin::change_lane(const lane_id& lane,
                                           const std::string& update,
                                           const sql_params& params,
                                           const std::string& otherwise) {
  return conn_.in_transaction([&]() -> store_result<void> {
    auto before = conn_.query(std::string{"SELECT "} + lane_json
                                + ", l.state FROM millrace.lane l" + key_guard
                                + "FOR UPDATE",
                              key_of(lane));
    if (!before)
      return std::unexpected{before.error()};
    if (before->rows.empty())
      return error(store_errc::no_lane,
                   "there is no lane " + to_string(lane)
                     + "; 'millrace lanes list' names all");
    auto after = conn_.query(update + " RETURNING " + lane_json, params);
    if (!after)
      return std::unexpected{after.error()};
    if (after->rows.empty())
      return error(store_errc::refused, to_string(lane) + " is "
                                          + before->rows[0][1].value_or("")
                                          + ": " + otherwise);
    return record_action(conn_, note_, to_string(lane), before->rows[0][0],
                         after->rows[0][0]);
  });
}

store_result<void> lane_admin::resume(const lane_id& lane) {
  return change_lane(lane,
                     std::string{"UPDATE millrace.lane l SET state = 'active', "
                                 "reason = NULL, updated = clock_timestamp()"}
                       + key_guard + "AND l.state <> 'active'",
                     key_of(lane), "there is nothing to resume");
}

store_result<void> lane_admin::halt(const lane_id& lane) {
  auto params = key_of(lane);
  params.push_back(note_.reason);
  // A new epoch: the claim of a flush that is being sent no longer holds.
  return change_lane(lane,
                     std::string{"UPDATE millrace.lane l SET state = 'halted', "
                                 "reason = $4, epoch = l.epoch + 1, updated = "
                                 "clock_timestamp()"}
                       + key_guard + "AND l.state = 'active'",
                     params, "only an active lane can be halted");
}

store_result<void> lane_admin::skip(const lane_skip& x) {
  auto params = key_of(x.lane);
  for (auto n : {int64_t{x.at.value} + 1, x.range.from.value, x.range.to.value,
                 x.epoch.value})
    params.push_back(sql(n));
  params.push_back(to_string(x.source.topic));
  params.push_back(sql(x.source.number.value));
  // One guarded update, as a claim is: nothing moves unless the row is what
  // the operator decided about.
  return conn_.in_transaction([&]() -> store_result<void> {
    auto done = conn_.query(
      std::string{"UPDATE millrace.lane l SET next_off[$4] = $6::bigint, "
                  "epoch = l.epoch + 1, next_seq = l.next_seq + 1, updated = "
                  "clock_timestamp() FROM millrace.partition_floor f"}
        + key_guard
        + "AND l.state <> 'active' AND l.epoch = $7 AND f.pipeline = "
          "l.pipeline AND f.topic = $8 AND f.partition = $9 AND f.slot = $4 "
          "AND greatest(l.next_off[f.slot], f.floor) = $5::bigint "
          "AND $6::bigint > $5::bigint RETURNING "
        + lane_json,
      params);
    if (!done)
      return std::unexpected{done.error()};
    if (done->rows.empty())
      return error(store_errc::refused,
                   to_string(x.lane)
                     + " cannot be moved: it must be halted, stand at offset "
                     + sql(x.range.from.value) + " still, and go forward");
    auto passed = conn_.query(
      "SELECT jsonb_build_object('topic', $1::text, 'uuid', $2::text, "
      "'partition', $3::int, 'from', $4::bigint, 'to', $5::bigint)",
      {x.topic, to_string(x.source.topic), sql(x.source.number.value),
       sql(x.range.from.value), sql(x.range.to.value)});
    if (!passed)
      return std::unexpected{passed.error()};
    return record_action(conn_, note_, to_string(x.lane), passed->rows[0][0],
                         done->rows[0][0]);
  });
}

store_result<void> lane_admin::resume(const partition_name& which) {
  return conn_.in_transaction([&]() -> store_result<void> {
    // A new token: whoever holds the floor reads the truth again first.
    auto done = conn_.query(
      "UPDATE millrace.partition_floor f SET state = 'active', reason = NULL, "
      "token = gen_random_uuid(), updated = clock_timestamp() FROM (SELECT "
      "f.pipeline, f.topic, f.partition, f.state, f.reason FROM "
      "millrace.partition_floor f JOIN millrace.topic t ON t.pipeline = "
      "f.pipeline AND t.uuid = f.topic AND t.retired IS NULL WHERE f.pipeline "
      "= $1 AND t.name = $2 AND f.partition = $3 FOR UPDATE OF f) old WHERE "
      "f.pipeline = old.pipeline AND f.topic = old.topic AND f.partition = "
      "old.partition RETURNING old.state, jsonb_build_object('state', "
      "old.state, 'reason', old.reason), jsonb_build_object('state', f.state)",
      {which.pipeline, which.topic, sql(which.number.value)});
    if (!done)
      return std::unexpected{done.error()};
    if (done->rows.empty())
      return error(store_errc::no_partition,
                   "there is no partition " + to_text(which));
    const auto& row = done->rows.front();
    if (row[0] != "halted")
      return error(store_errc::refused, to_text(which)
                                          + " is active: there is nothing to "
                                            "resume");
    return record_action(conn_, note_, to_text(which), row[1], row[2]);
  });
}

store_result<uuid> lane_admin::adopt(const topic_adoption& x) {
  auto id = to_string(x.id);
  std::vector<std::optional<int64_t>> starts;
  for (auto at : x.starts)
    starts.push_back(at.value);
  return conn_.in_transaction([&]() -> store_result<uuid> {
    store_error failed;
    auto query = [&](const std::string& text, const sql_params& params) {
      auto result = conn_.query(text, params);
      if (!result)
        failed = result.error();
      return result;
    };
    // As a boot does, which must not give the same slots at the same time.
    auto pipeline = query("SELECT map_version FROM millrace.pipeline WHERE "
                          "pipeline = $1 FOR UPDATE",
                          {x.pipeline});
    if (!pipeline)
      return std::unexpected{failed};
    if (pipeline->rows.empty())
      return error(store_errc::refused, "the pipeline " + x.pipeline
                                          + " has never run on this database");
    auto known = query("SELECT uuid, retired IS NOT NULL FROM millrace.topic "
                       "WHERE pipeline = $1 AND name = $2 ORDER BY retired "
                       "NULLS FIRST",
                       {x.pipeline, x.topic});
    if (!known)
      return std::unexpected{failed};
    if (known->rows.empty() || known->rows[0][1] == "t")
      return error(store_errc::refused, "pipeline " + x.pipeline
                                          + " does not read a topic "
                                          + x.topic);
    if (std::ranges::any_of(known->rows,
                            [&](const sql_row& row) { return row[0] == id; }))
      return error(store_errc::refused,
                   "topic " + x.topic + " is the one that pipeline "
                     + x.pipeline + " reads: there is nothing to adopt");
    auto old = *known->rows[0][0];
    auto version = *pipeline->rows[0][0];
    auto done
      = query("UPDATE millrace.topic SET retired = clock_timestamp() WHERE "
              "pipeline = $1 AND uuid = $2",
              {x.pipeline, old})
        && query("INSERT INTO millrace.topic (pipeline, uuid, name, "
                 "partitions, start_offsets) VALUES ($1, $2, $3, $4, $5)",
                 {x.pipeline, id, x.topic,
                  sql(static_cast<int64_t>(starts.size())), array_text(starts)})
        && query("INSERT INTO millrace.partition_floor (pipeline, topic, "
                 "partition, slot, floor, map_version) SELECT $1, $2, n - 1, "
                 "(SELECT coalesce(max(slot), 0) FROM millrace.partition_floor "
                 "WHERE pipeline = $1) + n, floor, $4 FROM "
                 "unnest($3::bigint[]) WITH ORDINALITY AS s(floor, n)",
                 {x.pipeline, id, array_text(starts), version})
        // Lanes in their order, as every transaction that locks several.
        && query("SELECT 1 FROM millrace.lane WHERE pipeline = $1 ORDER BY "
                 "pipeline, tenant, shard FOR UPDATE",
                 {x.pipeline})
        && query("UPDATE millrace.lane l SET next_off = l.next_off || (SELECT "
                 "array_agg(f.floor ORDER BY f.slot) FROM "
                 "millrace.partition_floor f WHERE f.pipeline = $1 AND f.slot "
                 "> cardinality(l.next_off)) WHERE l.pipeline = $1",
                 {x.pipeline});
    if (!done)
      return std::unexpected{failed};
    auto after = query("SELECT jsonb_build_object('uuid', $1::text, "
                       "'start_offsets', $2::bigint[]), "
                       "jsonb_build_object('uuid', $3::text)",
                       {id, array_text(starts), old});
    if (!after)
      return std::unexpected{failed};
    auto noted = record_action(conn_, note_, x.pipeline + '/' + x.topic,
                               after->rows[0][1], after->rows[0][0]);
    if (!noted)
      return std::unexpected{noted.error()};
    return checked([&]() -> store_result<uuid> { return uuid_of(old); });
  });
}

} // namespace millrace
