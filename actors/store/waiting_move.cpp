#include "actors/store/waiting_move.hpp"

#include "actors/store/copy_rows.hpp"
#include "actors/store/sql_steps.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/waiting_row.hpp"

#include <format>
#include <span>

namespace millrace {

namespace {

constexpr std::size_t max_reason_bytes = 8'192;

/// How many rows the statement changed; throws failed_statement.
int64_t change(connection& conn, const std::string& text,
               const sql_params& params) {
  auto done = conn.query(text, params);
  if (!done)
    throw failed_statement{done.error()};
  return done->affected;
}

std::string bytea_text(std::string_view bytes) {
  std::string result = "\\x";
  for (auto c : bytes)
    result += std::format("{:02x}", static_cast<unsigned char>(c));
  return result;
}

/// What the new map says of one page, as arrays of a statement.
struct page_columns {
  void add(const waiting_event& event, const remapped_event& to) {
    seqs.emplace_back(event.number.value);
    tenants.push_back(to.lane.tenant);
    shards.emplace_back(to.lane.number.value);
    touches.push_back(bytea_text(touches_text(to.touches)));
    reasons.push_back(clean_text(to.reason, max_reason_bytes));
  }

  std::vector<std::optional<int64_t>> seqs;
  std::vector<std::string> tenants;
  std::vector<std::optional<int64_t>> shards;
  std::vector<std::string> touches;
  std::vector<std::string> reasons;
};

} // namespace

waiting_move::waiting_move(connection& conn, const std::string& pipeline,
                           const waiting_remap& remap)
  : conn_{conn},
    pipeline_{pipeline},
    remap_{remap} {
}

seq waiting_move::number(seq first) {
  next_ = first;
  auto waits = ask(conn_,
                   "SELECT 1 FROM millrace.waiting WHERE pipeline = $1 LIMIT 1",
                   {pipeline_});
  if (waits.empty())
    return first;
  ask(conn_,
      "CREATE TEMP TABLE moving_event (to_seq bigint PRIMARY KEY, tenant text, "
      "shard int, seq bigint, size bigint, to_tenant text, to_shard int, "
      "touches bytea, reason text) ON COMMIT DROP",
      {});
  // The greatest `since` so far never falls within a partition, so sorting by
  // it first keeps the order of the offsets there.
  number_ = change(
    conn_,
    "INSERT INTO pg_temp.moving_event (to_seq, tenant, shard, seq, size) "
    "SELECT $2::bigint - 1 + row_number() OVER (ORDER BY at, topic, partition, "
    "\"offset\"), tenant, shard, seq, size FROM (SELECT tenant, shard, seq, "
    "topic, partition, \"offset\", max(since) OVER (PARTITION BY topic, "
    "partition ORDER BY \"offset\") AS at, octet_length(headers) + "
    "coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) AS size "
    "FROM millrace.waiting WHERE pipeline = $1) AS w",
    {pipeline_, sql(first.value)});
  ask(conn_, "ANALYZE pg_temp.moving_event", {});
  return seq{first.value + number_};
}

moved_waiting waiting_move::run() {
  moved_waiting result;
  if (number_ == 0)
    return result;
  while (remap_page())
    continue;
  check_lanes();
  check_order();
  result.dead = bury();
  result.moved = move();
  if (result.dead + result.moved != number_)
    refuse("waiting events of pipeline " + pipeline_
             + " changed while its lanes were locked",
           store_errc::failed);
  return result;
}

/// False when there are no more.
bool waiting_move::remap_page() {
  auto rows = ask(
    conn_,
    "SELECT " + std::string{waiting_columns}
      + ", tenant, shard FROM (SELECT w.topic, w.topic_name, w.partition, "
        "w.\"offset\", w.key, w.headers, w.value, w.\"timestamp\", w.sqlstate, "
        "w.reason, w.since, m.to_seq AS seq, m.tenant, m.shard FROM (SELECT *, "
        "sum(size) OVER (ORDER BY to_seq) AS total, row_number() OVER (ORDER "
        "BY to_seq) AS nth FROM (SELECT * FROM pg_temp.moving_event WHERE "
        "to_seq >= $2 ORDER BY to_seq LIMIT $3) AS p) AS m JOIN "
        "millrace.waiting w ON w.pipeline = $1 AND w.tenant = m.tenant AND "
        "w.shard = m.shard AND w.seq = m.seq WHERE m.total <= $4 OR m.nth = "
        "1) AS x ORDER BY seq",
    {pipeline_, sql(next_.value), sql(page_events), sql(page_bytes)});
  if (rows.empty())
    return false;
  page_columns page;
  for (const auto& row : rows) {
    auto event = waiting_event_of(row);
    lane_id from{pipeline_, std::string{text_of(row[12])},
                 shard{int32_of(row[13])}};
    page.add(event, remap_(event, from));
    next_ = seq{event.number.value + 1};
  }
  ask(conn_,
      "UPDATE pg_temp.moving_event m SET to_tenant = x.tenant, to_shard = "
      "x.shard, touches = x.touches, reason = nullif(x.reason, '') FROM "
      "unnest($1::bigint[], $2::text[], $3::int[], $4::bytea[], $5::text[]) AS "
      "x(seq, tenant, shard, touches, reason) WHERE m.to_seq = x.seq",
      {array_text(page.seqs), array_text(page.tenants), array_text(page.shards),
       array_text(page.touches), array_text(page.reasons)});
  return true;
}

/// An event in a lane that is not there would never be tried again.
void waiting_move::check_lanes() {
  auto lost = ask(conn_,
                  "SELECT m.to_tenant, m.to_shard FROM pg_temp.moving_event m "
                  "WHERE m.reason IS NULL AND NOT EXISTS (SELECT 1 FROM "
                  "millrace.lane l WHERE l.pipeline = $1 AND l.tenant = "
                  "m.to_tenant AND l.shard = m.to_shard) LIMIT 1",
                  {pipeline_});
  if (!lost.empty())
    refuse("the new map has no lane " + lost[0][0].value_or("") + '/'
             + lost[0][1].value_or("") + " for an event that waits",
           store_errc::failed);
}

void waiting_move::check_order() {
  auto parted = ask(
    conn_,
    "SELECT m.tenant, m.shard FROM pg_temp.moving_event m, generate_series(0, "
    "octet_length(m.touches) / 17 - 1) AS g(i) WHERE m.reason IS NULL GROUP BY "
    "m.tenant, m.shard, substring(m.touches FROM g.i * 17 + 2 FOR 16) HAVING "
    "count(DISTINCT (m.to_tenant, m.to_shard)) > 1 LIMIT 1",
    {});
  if (!parted.empty())
    refuse("events that wait in lane "
           + to_string(lane_id{pipeline_, parted[0][0].value_or(""),
                               shard{int32_of(parted[0][1])}})
           + " write one row and would be in different lanes, where nothing "
             "keeps their order; they have to be written or to become dead "
             "letters first");
}

int64_t waiting_move::bury() {
  return change(
    conn_,
    "WITH gone AS (DELETE FROM millrace.waiting w USING pg_temp.moving_event m "
    "WHERE w.pipeline = $1 AND w.tenant = m.tenant AND w.shard = m.shard AND "
    "w.seq = m.seq AND m.reason IS NOT NULL RETURNING w.*, m.to_tenant, "
    "m.to_shard, m.to_seq, m.reason AS why) INSERT INTO millrace.dead_letter "
    "(pipeline, tenant, shard, seq, topic, topic_name, partition, \"offset\", "
    "key, headers, value, \"timestamp\", stage, sqlstate, reason) SELECT "
    "pipeline, to_tenant, to_shard, to_seq, topic, topic_name, partition, "
    "\"offset\", key, headers, value, \"timestamp\", $2, sqlstate, 'waited for "
    "' || extract(epoch FROM clock_timestamp() - since)::bigint || ' s: ' || "
    "reason || '; then the map changed: ' || why FROM gone",
    {pipeline_, to_string(reject_stage::waiting)});
}

/// No seq of before can be in the way: all are smaller.
int64_t waiting_move::move() {
  return change(
    conn_,
    "UPDATE millrace.waiting w SET tenant = m.to_tenant, shard = m.to_shard, "
    "seq = m.to_seq, touches = m.touches FROM pg_temp.moving_event m WHERE "
    "w.pipeline = $1 AND w.tenant = m.tenant AND w.shard = m.shard AND w.seq = "
    "m.seq",
    {pipeline_});
}

} // namespace millrace
