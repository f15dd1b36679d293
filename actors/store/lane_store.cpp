#include "actors/store/lane_store.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "messages/lane_row.hpp"

#include <utility>

namespace millrace {

namespace {

/// How long an ended backend may take to go away.
constexpr auto terminate_timeout_ms = "2000";

std::unexpected<store_error> error(store_errc code, std::string message) {
  return std::unexpected{store_error{code, {}, std::move(message)}};
}

sql_params key_of(const lane_id& lane) {
  return {lane.pipeline, lane.tenant, sql(lane.number.value)};
}

sql_params key_of(const std::string& pipeline, const partition_id& source) {
  return {pipeline, to_string(source.topic), sql(source.number.value)};
}

lane_state state_of(const std::optional<std::string>& x) {
  if (auto result = parse_lane_state(text_of(x)))
    return *result;
  throw bad_value("not a lane's state: " + std::string{text_of(x)});
}

std::vector<offset> offsets_of(const std::optional<std::string>& x) {
  auto numbers = parse_array(text_of(x));
  if (!numbers)
    throw bad_value("a lane's offsets are " + std::string{text_of(x)});
  std::vector<offset> result;
  for (auto n : *numbers)
    result.push_back(offset{n});
  return result;
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

} // namespace

lane_store::lane_store(connection& conn,
                       std::chrono::milliseconds row_lock_timeout)
  : conn_{conn},
    row_lock_timeout_{row_lock_timeout} {
}

// -- lane rows ----------------------------------------------------------------

store_result<lane_row> lane_store::read_row(const lane_id& lane) {
  auto found = conn_.query(
    "SELECT l.epoch, l.owner, l.next_seq, l.map_version, l.shape, l.state, "
    "l.next_off, coalesce((SELECT array_agg(f.floor ORDER BY f.slot) FROM "
    "millrace.partition_floor f WHERE f.pipeline = l.pipeline), '{}') "
    "FROM millrace.lane l "
    "WHERE l.pipeline = $1 AND l.tenant = $2 AND l.shard = $3",
    key_of(lane));
  if (!found)
    return std::unexpected{found.error()};
  if (found->rows.empty())
    return error(store_errc::no_lane,
                 "no row in millrace.lane for " + to_string(lane));
  return checked([&]() -> store_result<lane_row> {
    const auto& row = found->rows.front();
    lane_row result;
    result.lane = lane;
    result.epoch = epoch{int_of(row[0])};
    if (row[1])
      result.owner = uuid_of(row[1]);
    result.next_seq = seq{int_of(row[2])};
    result.map_version = millrace::map_version{int_of(row[3])};
    result.shape = shape_of(row[4]);
    result.state = state_of(row[5]);
    result.next_off = offsets_of(row[6]);
    result.floors = offsets_of(row[7]);
    // A partition without a slot in this lane has not been read yet by anyone
    // (rule 1), so this is a schema that somebody has changed by hand.
    if (result.next_off.size() != result.floors.size())
      return error(store_errc::failed,
                   to_string(lane) + " has "
                     + std::to_string(result.next_off.size())
                     + " offsets, but the pipeline has "
                     + std::to_string(result.floors.size()) + " partitions");
    return result;
  });
}

template <class Body>
store_result<lane_row> lane_store::with_row(const lane_id& lane, Body body) {
  for (auto last = false;; last = true) {
    auto result = conn_.in_transaction([&]() -> store_result<lane_row> {
      auto limited = conn_.run("SET LOCAL lock_timeout = "
                               + std::to_string(row_lock_timeout_.count()));
      if (!limited)
        return std::unexpected{limited.error()};
      return body();
    });
    if (result || last || result.error().sqlstate != "55P03")
      return result;
    if (auto ended = end_writers(lane); !ended)
      return std::unexpected{ended.error()};
  }
}

store_result<void> lane_store::end_writers(const lane_id& lane) {
  // Only a flush of this very lane carries this name, and only while its
  // transaction is open.
  auto done = conn_.query(
    "SELECT pg_terminate_backend(pid, " + std::string{terminate_timeout_ms}
      + ") FROM pg_stat_activity WHERE application_name = $1 "
        "AND datname = current_database() AND pid <> pg_backend_pid() "
        "AND xact_start IS NOT NULL",
    {writer_name(lane)});
  if (!done)
    return std::unexpected{done.error()};
  return {};
}

store_result<lane_row> lane_store::takeover(const takeover_request& x) {
  return with_row(x.lane, [&]() -> store_result<lane_row> {
    auto params = key_of(x.lane);
    params.push_back(to_string(x.owner));
    params.push_back(x.node);
    auto taken = conn_.query(
      "UPDATE millrace.lane SET epoch = epoch + 1, owner = $4, node = $5, "
      "updated = clock_timestamp() WHERE pipeline = $1 AND tenant = $2 "
      "AND shard = $3 AND state = 'active'",
      params);
    if (!taken)
      return std::unexpected{taken.error()};
    // A statement of its own sees floors that are as new as the row is.
    auto row = read_row(x.lane);
    if (row && taken->affected == 0)
      return error(store_errc::lane_inactive,
                   to_string(x.lane) + " is " + to_string(row->state));
    return with_waiting(std::move(row));
  });
}

store_result<lane_row> lane_store::halt(const halt_request& x) {
  auto params = key_of(x.lane);
  params.push_back(std::to_string(x.epoch.value));
  params.push_back(to_string(x.owner));
  params.push_back(x.reason);
  auto halted = conn_.query(
    "UPDATE millrace.lane SET state = 'halted', reason = $6, "
    "updated = clock_timestamp() WHERE pipeline = $1 AND tenant = $2 "
    "AND shard = $3 AND epoch = $4 AND owner = $5 AND state = 'active'",
    params);
  if (!halted)
    return std::unexpected{halted.error()};
  return read_row(x.lane);
}

store_result<lane_row> lane_store::halt(const retention_halt_request& x) {
  auto params = key_of(x.lane);
  params.push_back(sql(x.at.value + 1));
  params.push_back(sql(x.effective.value));
  params.push_back(x.reason);
  // No owner is asked: whoever writes the lane notices at its next claim.
  auto halted
    = conn_.query("UPDATE millrace.lane l SET state = 'halted', reason = $6, "
                  "updated = clock_timestamp() FROM millrace.partition_floor f "
                  "WHERE l.pipeline = $1 AND l.tenant = $2 AND l.shard = $3 "
                  "AND f.pipeline = l.pipeline AND f.slot = $4::int "
                  "AND greatest(l.next_off[f.slot], f.floor) = $5::bigint "
                  "AND l.state = 'active'",
                  params);
  if (!halted)
    return std::unexpected{halted.error()};
  return read_row(x.lane);
}

store_result<lane_row> lane_store::load(const load_request& x) {
  if (!x.for_update)
    return with_waiting(read_row(x.lane));
  return with_row(x.lane, [&]() -> store_result<lane_row> {
    auto locked = conn_.query("SELECT 1 FROM millrace.lane WHERE pipeline = $1 "
                              "AND tenant = $2 AND shard = $3 FOR UPDATE",
                              key_of(x.lane));
    if (!locked)
      return std::unexpected{locked.error()};
    return with_waiting(read_row(x.lane));
  });
}

// -- partitions ---------------------------------------------------------------

store_result<partition_view> lane_store::view(const view_request& x) {
  // Text is ordered by bytes, as everywhere in this program. What is the same
  // for all lanes is asked once.
  auto found = conn_.query(
    "SELECT f.slot, f.floor, f.token, f.map_version, f.state = 'halted', "
    "l.tenant, l.shard, l.state, l.next_off[f.slot], "
    "greatest(l.next_off[f.slot], f.floor), EXISTS (SELECT 1 FROM "
    "millrace.map_change WHERE pipeline = $1 AND state = 'planned' AND "
    "deadline > clock_timestamp()), (SELECT millrace.held_by($1, $2, $3)), "
    "(SELECT until FROM millrace.backfill_progress WHERE pipeline = $1 AND "
    "topic = $2 AND partition = $3), (SELECT change IS NOT NULL OR given_up "
    "IS NOT NULL FROM millrace.backfill WHERE pipeline = $1) "
    "FROM millrace.partition_floor f LEFT JOIN millrace.lane l "
    "USING (pipeline) WHERE f.pipeline = $1 AND f.topic = $2 "
    "AND f.partition = $3 ORDER BY l.tenant COLLATE \"C\", l.shard",
    key_of(x.pipeline, x.source));
  if (!found)
    return std::unexpected{found.error()};
  if (found->rows.empty())
    return error(store_errc::no_partition,
                 "no row in millrace.partition_floor for " + x.pipeline + ", "
                   + to_string(x.source.topic) + '/'
                   + std::to_string(x.source.number.value));
  return checked([&]() -> store_result<partition_view> {
    partition_view result;
    const auto& first = found->rows.front();
    result.at = slot{int32_of(first[0]) - 1};
    result.floor = offset{int_of(first[1])};
    result.token = uuid_of(first[2]);
    result.map_version = millrace::map_version{int_of(first[3])};
    result.halted = bool_of(first[4]);
    result.held_by = first[11].value_or("");
    result.changing = bool_of(first[10]) || !result.held_by.empty();
    if (first[12]) {
      result.until = offset{int_of(first[12])};
      result.ends = bool_of(first[13]);
    }
    for (const auto& row : found->rows) {
      if (!row[5])
        continue; // a pipeline without lanes
      lane_id lane{x.pipeline, *row[5], shard{int32_of(row[6])}};
      if (!row[8])
        return error(store_errc::failed,
                     to_string(lane) + " has no offset at slot "
                       + std::to_string(result.at.value + 1));
      result.lanes.push_back({std::move(lane), offset{int_of(row[9])}, //
                              state_of(row[7])});
    }
    return result;
  });
}

namespace {

/// Guards and condition of a floor act as a CTE `seen` of at most one row:
/// `target` is the floor to be, `holds` whether all conditions are met.
///   $1 $2 $3 partition, $4 floor, $5 token, $6 map_version, $7 least offset
///   of active lanes or NULL, $8 to, $9 $10 $11 touched lanes
constexpr auto seen_full
  = "WITH seen AS (SELECT min(greatest(l.next_off[f.slot], f.floor)) AS "
    "target, bool_and(l.next_off[f.slot] IS NOT NULL AND ($7::bigint IS NULL "
    "OR l.state <> 'active' OR greatest(l.next_off[f.slot], f.floor) >= $7)) "
    "AS holds FROM millrace.partition_floor f JOIN millrace.lane l "
    "USING (pipeline) WHERE f.pipeline = $1 AND f.topic = $2 "
    "AND f.partition = $3) ";

constexpr auto seen_touched
  = "WITH seen AS (SELECT greatest(f.floor, $8::bigint) AS target, "
    "NOT EXISTS (SELECT 1 FROM unnest($9::text[], $10::int[], $11::bigint[]) "
    "AS t(tenant, shard, off) LEFT JOIN millrace.lane l ON l.pipeline = $1 "
    "AND l.tenant = t.tenant AND l.shard = t.shard WHERE l.tenant IS NULL "
    "OR l.next_off[f.slot] IS NULL OR l.next_off[f.slot] < t.off) AND "
    "($7::bigint IS NULL OR NOT EXISTS (SELECT 1 FROM millrace.lane l WHERE "
    "l.pipeline = $1 AND l.state = 'active' AND (l.next_off[f.slot] IS NULL "
    "OR greatest(l.next_off[f.slot], f.floor) < $7))) AS holds "
    "FROM millrace.partition_floor f WHERE f.pipeline = $1 AND f.topic = $2 "
    "AND f.partition = $3) ";

constexpr auto guards
  = " WHERE f.pipeline = $1 AND f.topic = $2 AND f.partition = $3 "
    "AND f.floor = $4 AND f.token = $5 AND f.map_version = $6 "
    "AND f.state = 'active' AND seen.holds ";

floor_answer answer_of(const sql_row& row, bool accepted) {
  floor_answer result;
  result.accepted = accepted;
  result.floor = offset{int_of(row[0])};
  result.token = uuid_of(row[1]);
  result.map_version = millrace::map_version{int_of(row[2])};
  result.halted = bool_of(row[3]);
  return result;
}

} // namespace

store_result<floor_answer> lane_store::raise(const floor_request& x) {
  auto params = key_of(x.pipeline, x.source);
  params.push_back(sql(x.act.floor.value));
  params.push_back(to_string(x.act.token));
  params.push_back(sql(x.act.map_version.value));
  params.push_back(
    x.active_not_below.transform([](offset at) { return sql(at.value); }));
  if (!x.act.full) {
    std::vector<std::string> tenants;
    std::vector<std::optional<int64_t>> shards, ends;
    for (const auto& lane : x.act.touched) {
      tenants.push_back(lane.id.tenant);
      shards.push_back(lane.id.number.value);
      ends.push_back(lane.end.value);
    }
    params.push_back(sql(x.act.to.value));
    params.push_back(array_text(tenants));
    params.push_back(array_text(shards));
    params.push_back(array_text(ends));
  }
  auto text = std::string{x.act.full ? seen_full : seen_touched};
  if (x.dry_run) {
    text += "SELECT f.floor, f.token, f.map_version, f.state = 'halted' "
            "FROM millrace.partition_floor f, seen"
            + std::string{guards};
  } else {
    // A new token even where the floor stays: whoever acted last holds it. Two
    // acts at once meet at the row lock, and the second finds another token.
    text += "UPDATE millrace.partition_floor f SET floor = seen.target, token "
            "= '"
            + to_string(uuid::random())
            + "', updated = clock_timestamp() FROM seen" + guards
            + "RETURNING f.floor, f.token, f.map_version, f.state = 'halted'";
  }
  auto done = conn_.query(text, params);
  if (!done)
    return std::unexpected{done.error()};
  if (!done->rows.empty())
    return checked([&]() -> store_result<floor_answer> {
      return answer_of(done->rows.front(), true);
    });
  auto now
    = conn_.query("SELECT floor, token, map_version, state = 'halted' FROM "
                  "millrace.partition_floor WHERE pipeline = $1 AND topic = $2 "
                  "AND partition = $3",
                  key_of(x.pipeline, x.source));
  if (!now)
    return std::unexpected{now.error()};
  if (now->rows.empty())
    return error(store_errc::no_partition, "no row in millrace.partition_floor "
                                           "for "
                                             + x.pipeline);
  return checked([&]() -> store_result<floor_answer> {
    return answer_of(now->rows.front(), false);
  });
}

} // namespace millrace
