// What a lane asks of `millrace.waiting` beside its flushes.

#include "actors/store/lane_store.hpp"
#include "actors/store/sql_values.hpp"
#include "actors/store/waiting_row.hpp"

#include <utility>

namespace millrace {

namespace {

sql_params key_of(const lane_id& lane) {
  return {lane.pipeline, lane.tenant, sql(lane.number.value)};
}

} // namespace

waiting_event waiting_event_of(const sql_row& row) {
  waiting_event result;
  result.number = seq{int_of(row[0])};
  result.source = {uuid_of(row[1]), partition{int32_of(row[3])}};
  result.topic = text_of(row[2]);
  auto& to = result.record;
  to.at = offset{int_of(row[4])};
  to.stage = reject_stage::waiting;
  to.has_key = row[5].has_value();
  if (row[5])
    to.key = hex_bytes(*row[5]);
  to.headers = hex_bytes(text_of(row[6]));
  to.has_value = row[7].has_value();
  if (row[7])
    to.value = hex_bytes(*row[7]);
  to.timestamp_ms = row[8] ? int_of(row[8]) : -1;
  to.sqlstate = row[9].value_or("");
  to.reason = text_of(row[10]);
  result.waited_ms = int_of(row[11]);
  return result;
}

store_result<lane_row> lane_store::with_waiting(store_result<lane_row> row) {
  if (!row)
    return row;
  auto found = conn_.query(
    "SELECT seq, touches, octet_length(headers) + coalesce(octet_length(key), "
    "0) + coalesce(octet_length(value), 0) FROM millrace.waiting WHERE "
    "pipeline = $1 AND tenant = $2 AND shard = $3 ORDER BY seq",
    key_of(row->lane));
  if (!found)
    return std::unexpected{found.error()};
  try {
    for (const auto& x : found->rows)
      row->waiting.push_back({seq{int_of(x[0])}, int_of(x[2]),
                              parse_touches(hex_bytes(text_of(x[1])))});
  } catch (const bad_value& e) {
    return std::unexpected{store_error{store_errc::failed, {}, e.what()}};
  }
  return row;
}

store_result<waiting_answer> lane_store::waiting(const waiting_request& x) {
  waiting_answer result;
  if (x.map) {
    auto same = conn_.query("SELECT 1 FROM millrace.pipeline WHERE pipeline = "
                            "$1 AND map_fingerprint = $2 AND lanes = $3",
                            {x.lane.pipeline, sql(shape{x.map->fingerprint}),
                             sql(x.map->lanes)});
    if (!same)
      return std::unexpected{same.error()};
    if (same->rows.empty())
      return result;
  }
  auto counted = conn_.query("SELECT count(*) FROM millrace.waiting WHERE "
                             "pipeline = $1 AND tenant = $2 AND shard = $3",
                             key_of(x.lane));
  if (!counted)
    return std::unexpected{counted.error()};
  auto params = key_of(x.lane);
  params.push_back(sql(x.from.value));
  params.push_back(sql(x.max_events));
  params.push_back(sql(x.max_bytes));
  auto found = conn_.query(
    "WITH begun AS MATERIALIZED (SELECT name, topic, partition, begin FROM "
    "millrace.table_begin WHERE pipeline = $1) SELECT "
      + std::string{waiting_columns}
      + ", (SELECT string_agg(b.name, E'\\n') FROM begun b WHERE b.topic = "
        "x.topic AND b.partition = x.partition AND x.\"offset\" < b.begin) "
        "FROM "
        "(SELECT *, sum(octet_length(headers) + "
        "coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0)) "
        "OVER (ORDER BY seq) AS total, row_number() OVER (ORDER BY seq) AS nth "
        "FROM (SELECT * FROM millrace.waiting WHERE pipeline = $1 AND tenant = "
        "$2 AND shard = $3 AND seq >= $4 ORDER BY seq LIMIT $5) AS w) AS x "
        "WHERE total <= $6 OR nth = 1 ORDER BY seq",
    params);
  if (!found)
    return std::unexpected{found.error()};
  try {
    result.count = int_of(counted->rows.at(0)[0]);
    for (const auto& row : found->rows) {
      auto& event = result.events.emplace_back(waiting_event_of(row));
      event.expired = event.waited_ms >= x.keep_ms;
      event.leave_out = lines_of(row[12].value_or(""));
    }
  } catch (const bad_value& e) {
    return std::unexpected{store_error{store_errc::failed, {}, e.what()}};
  }
  return result;
}

} // namespace millrace
