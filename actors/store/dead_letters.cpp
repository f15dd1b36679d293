#include "actors/store/dead_letters.hpp"

#include "actors/store/sql_values.hpp"

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

/// A filter as $1 … $11; parameters of a statement's own follow.
constexpr auto filter
  = " WHERE ($1::text IS NULL OR (d.pipeline = $1 AND d.tenant = $2 AND "
    "d.shard = $3::int AND d.seq = $4::bigint)) "
    "AND ($5::text IS NULL OR d.pipeline = $5) "
    "AND ($6::text IS NULL OR d.tenant = $6) "
    "AND ($7::text IS NULL OR d.topic_name = $7) "
    "AND ($8::text IS NULL OR d.stage = $8) "
    "AND ($9::text IS NULL OR d.sqlstate = $9) "
    "AND ($10::text IS NULL OR strpos(d.reason, $10) > 0) "
    "AND ($11::bigint IS NULL OR d.at >= to_timestamp($11 / 1000.0)) "
    "AND ($12::bigint IS NULL OR d.at < to_timestamp($12 / 1000.0)) ";

sql_params params_of(const dead_letter_filter& x) {
  auto number = [](const std::optional<int64_t>& n) {
    return n.transform([](int64_t i) { return sql(i); });
  };
  sql_params result(4);
  if (x.one)
    result = {x.one->lane.pipeline, x.one->lane.tenant,
              sql(x.one->lane.number.value), sql(x.one->number.value)};
  for (const auto* text :
       {&x.pipeline, &x.tenant, &x.topic, &x.stage, &x.sqlstate, &x.reason})
    result.push_back(*text);
  result.push_back(number(x.since_ms));
  result.push_back(number(x.until_ms));
  return result;
}

sql_params key_of(const dead_letter_id& x) {
  return {x.lane.pipeline, x.lane.tenant, sql(x.lane.number.value),
          sql(x.number.value)};
}

/// With the record's coordinates: a lane that was made anew counts its seqs
/// from 1 again.
sql_params key_of(const dead_letter_key& x) {
  auto result = key_of(x.id);
  result.push_back(to_string(x.source.topic));
  result.push_back(sql(x.source.number.value));
  result.push_back(sql(x.at.value));
  return result;
}

constexpr auto by_key = " WHERE pipeline = $1 AND tenant = $2 AND shard = $3 "
                        "AND seq = $4 AND topic = $5 AND partition = $6 AND "
                        "\"offset\" = $7";

constexpr auto size_of_one = "(octet_length(d.headers) + "
                             "coalesce(octet_length(d.key), 0) + "
                             "coalesce(octet_length(d.value), 0))";

/// The columns of `info_of`.
std::string info_columns() {
  return "d.pipeline, d.tenant, d.shard, d.seq, d.topic, d.partition, "
         "d.\"offset\", d.topic_name, d.stage, d.sqlstate, d.reason, "
         "to_char(d.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
         + std::string{size_of_one}
         + ", d.value_bytes, encode(d.value_sha256, 'hex')";
}

dead_letter_id id_of(const sql_row& row) {
  return {{std::string{text_of(row[0])}, std::string{text_of(row[1])},
           shard{int32_of(row[2])}},
          seq{int_of(row[3])}};
}

dead_letter_info info_of(const sql_row& row) {
  return {id_of(row),
          {uuid_of(row[4]), partition{int32_of(row[5])}},
          std::string{text_of(row[7])},
          offset{int_of(row[6])},
          std::string{text_of(row[8])},
          row[9].value_or(""),
          std::string{text_of(row[10])},
          row[11].value_or(""),
          int_of(row[12]),
          row[13] ? std::optional{int_of(row[13])} : std::nullopt,
          row[14].value_or("")};
}

std::optional<std::string> bytes_of(const std::optional<std::string>& x) {
  if (!x)
    return std::nullopt;
  return hex_bytes(*x);
}

} // namespace

// -- looking ------------------------------------------------------------------

kept_events::kept_events(connection& conn, kept_in where)
  : conn_{conn},
    table_{where == kept_in::dead_letter
             ? "millrace.dead_letter d"
             : "(SELECT w.*, 'waiting' AS stage, w.since AS at, true AS "
               "always_made, NULL::bigint AS value_bytes, NULL::bytea AS "
               "value_sha256 FROM millrace.waiting w) d"} {
}

store_result<std::vector<dead_letter_info>>
kept_events::list(const dead_letter_filter& which, int64_t limit) {
  auto params = params_of(which);
  params.push_back(sql(limit));
  auto found = conn_.query("SELECT " + info_columns() + " FROM " + table_
                             + filter
                             + "ORDER BY d.at DESC, d.seq DESC LIMIT $13",
                           params);
  if (!found)
    return std::unexpected{found.error()};
  return checked([&]() -> store_result<std::vector<dead_letter_info>> {
    std::vector<dead_letter_info> result;
    for (const auto& row : found->rows)
      result.push_back(info_of(row));
    return result;
  });
}

store_result<std::optional<dead_letter>>
kept_events::find(const dead_letter_id& id) {
  auto found = conn_.query(
    "SELECT " + info_columns()
      + ", d.key, d.value, d.headers, (extract(epoch FROM d.\"timestamp\") * "
        "1000)::bigint, coalesce(d.always_made, d.stage IN ('store', "
        "'waiting')) FROM "
      + table_
      + " WHERE d.pipeline = $1 AND d.tenant = $2 AND d.shard = $3 AND d.seq = "
        "$4",
    key_of(id));
  if (!found)
    return std::unexpected{found.error()};
  if (found->rows.empty())
    return std::nullopt;
  return checked([&]() -> store_result<std::optional<dead_letter>> {
    const auto& row = found->rows.front();
    dead_letter result;
    static_cast<dead_letter_info&>(result) = info_of(row);
    result.key = bytes_of(row[15]);
    result.value = bytes_of(row[16]);
    auto headers = parse_headers(hex_bytes(text_of(row[17])));
    if (!headers)
      throw bad_value(to_string(id) + ": its headers cannot be read");
    result.headers = std::move(*headers);
    result.timestamp_ms = row[18] ? int_of(row[18]) : -1;
    result.always_made = row[19] == "t";
    return result;
  });
}

store_result<std::vector<dead_letter_count>>
kept_events::counts(const dead_letter_filter& which, int64_t limit) {
  auto params = params_of(which);
  params.push_back(sql(limit));
  auto found = conn_.query(
    std::string{"SELECT d.pipeline, d.tenant, d.stage, d.sqlstate, d.reason, "
                "count(*), to_char(max(d.at) AT TIME ZONE 'UTC', "
                "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM "}
      + table_ + filter
      + "GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 5 LIMIT $13",
    params);
  if (!found)
    return std::unexpected{found.error()};
  return checked([&]() -> store_result<std::vector<dead_letter_count>> {
    std::vector<dead_letter_count> result;
    for (const auto& row : found->rows)
      result.push_back(
        {std::string{text_of(row[0])}, std::string{text_of(row[1])},
         std::string{text_of(row[2])}, row[3].value_or(""),
         std::string{text_of(row[4])}, int_of(row[5]), row[6].value_or("")});
    return result;
  });
}

namespace {

store_result<dead_letter_sum> sum_of(store_result<sql_result> found) {
  if (!found)
    return std::unexpected{found.error()};
  return checked([&]() -> store_result<dead_letter_sum> {
    const auto& row = found->rows.at(0);
    return dead_letter_sum{int_of(row[0]), int_of(row[1])};
  });
}

/// The keys of what goes by the limits $1 (milliseconds) and $2 (bytes).
const std::string prunable_keys
  = std::string{"SELECT x.pipeline, x.tenant, x.shard, x.seq, x.size FROM "
                "(SELECT d.*, s.size, sum(s.size) OVER (ORDER BY d.at DESC, "
                "d.pipeline, d.tenant, d.shard, d.seq DESC) AS newer FROM "
                "millrace.dead_letter d, LATERAL (SELECT "}
    + size_of_one
    + " AS size) s) x WHERE ($1::bigint IS NOT NULL AND x.at < now() - "
      "$1::bigint * interval '1 millisecond') OR ($2::bigint IS NOT NULL AND "
      "x.newer > $2::bigint)";

} // namespace

dead_letters::dead_letters(connection& conn, admin_note note)
  : kept_events{conn, kept_in::dead_letter},
    note_{std::move(note)} {
}

store_result<dead_letter_sum>
dead_letters::sum(const dead_letter_filter& which) {
  return sum_of(conn_.query(std::string{"SELECT count(*), coalesce(sum("}
                              + size_of_one
                              + "), 0) FROM millrace.dead_letter d" + filter,
                            params_of(which)));
}

store_result<std::vector<dead_letter_key>>
dead_letters::page(const dead_letter_filter& which,
                   const std::optional<dead_letter_key>& after, int64_t limit) {
  auto params = params_of(which);
  params.push_back(sql(limit));
  if (after)
    for (auto& x : key_of(*after))
      params.push_back(std::move(x));
  else
    params.resize(params.size() + 7);
  auto found = conn_.query(
    std::string{"SELECT d.pipeline, d.tenant, d.shard, d.seq, d.topic, "
                "d.partition, d.\"offset\" FROM millrace.dead_letter d"}
      + filter
      + "AND ($14::text IS NULL OR (d.pipeline, d.topic, d.partition, "
        "d.\"offset\", d.tenant, d.shard, d.seq) > ($14, $18::uuid, $19::int, "
        "$20::bigint, $15::text, $16::int, $17::bigint)) ORDER BY d.pipeline, "
        "d.topic, d.partition, d.\"offset\", d.tenant, d.shard, d.seq LIMIT "
        "$13",
    params);
  if (!found)
    return std::unexpected{found.error()};
  return checked([&]() -> store_result<std::vector<dead_letter_key>> {
    std::vector<dead_letter_key> result;
    for (const auto& row : found->rows)
      result.push_back({id_of(row),
                        {uuid_of(row[4]), partition{int32_of(row[5])}},
                        offset{int_of(row[6])}});
    return result;
  });
}

// -- changes ------------------------------------------------------------------

store_result<int64_t> dead_letters::discard(const dead_letter_filter& which) {
  auto params = params_of(which);
  for (const auto* text :
       {&note_.os_user, &note_.host, &note_.command, &note_.reason})
    params.emplace_back(*text);
  auto done = conn_.query(
    std::string{"WITH gone AS (DELETE FROM millrace.dead_letter d"} + filter
      + "RETURNING d.*) INSERT INTO millrace.admin_action (os_user, host, "
        "command, object, reason, before) SELECT $13, $14, $15, pipeline || "
        "'/' || tenant || '/' || shard || ' ' || seq, $16, "
        "jsonb_build_object('topic', topic, 'topic_name', topic_name, "
        "'partition', partition, 'offset', \"offset\", 'stage', stage, "
        "'sqlstate', sqlstate, 'reason', reason, 'sha256', "
        "encode(coalesce(value_sha256, sha256(value)), 'hex')) FROM gone",
    params);
  if (!done)
    return std::unexpected{done.error()};
  return done->affected;
}

store_result<bool>
dead_letters::explain(const dead_letter_key& which, const std::string& stage,
                      const std::string& sqlstate, const std::string& reason) {
  auto params = key_of(which);
  params.push_back(stage);
  params.push_back(sqlstate.empty() ? std::optional<std::string>{} : sqlstate);
  params.push_back(reason);
  auto done
    = conn_.query(std::string{"UPDATE millrace.dead_letter SET stage = $8, "
                              "sqlstate = $9, reason = $10"}
                    + by_key,
                  params);
  if (!done)
    return std::unexpected{done.error()};
  return done->affected > 0;
}

store_result<void> dead_letters::remove_replayed(const dead_letter_key& which) {
  auto params = key_of(which);
  for (const auto* text :
       {&note_.os_user, &note_.host, &note_.command, &note_.reason})
    params.emplace_back(*text);
  auto done = conn_.query(
    std::string{"WITH gone AS (DELETE FROM millrace.dead_letter"} + by_key
      + " RETURNING *) INSERT INTO millrace.admin_action (os_user, host, "
        "command, object, reason, before) SELECT $8, $9, $10, pipeline || '/' "
        "|| tenant || '/' || shard || ' ' || seq, $11, "
        "jsonb_build_object('topic', topic, 'partition', partition, 'offset', "
        "\"offset\") FROM gone",
    params);
  if (!done)
    return std::unexpected{done.error()};
  return {};
}

store_result<dead_letter_sum>
dead_letters::prune_by(const dead_letter_limits& limits,
                       const std::string& text) {
  auto number = [](const std::optional<int64_t>& n) {
    return n.transform([](int64_t i) { return sql(i); });
  };
  return sum_of(
    conn_.query(text, {number(limits.keep_ms), number(limits.max_bytes)}));
}

store_result<std::vector<std::string>>
dead_letters::begun_later(const dead_letter_key& x) {
  auto found = conn_.query("SELECT millrace.begun_later($1, $2, $3, $4)",
                           {x.id.lane.pipeline, to_string(x.source.topic),
                            sql(x.source.number.value), sql(x.at.value)});
  if (!found)
    return std::unexpected{found.error()};
  return lines_of(found->rows.at(0)[0].value_or(""));
}

store_result<dead_letter_sum>
dead_letters::prunable(const dead_letter_limits& limits) {
  return prune_by(limits, "SELECT count(*), coalesce(sum(size), 0) FROM ("
                            + prunable_keys + ") k");
}

store_result<dead_letter_sum>
dead_letters::prune(const dead_letter_limits& limits) {
  return conn_.in_transaction([&]() -> store_result<dead_letter_sum> {
    auto result = prune_by(
      limits, "WITH gone AS (DELETE FROM millrace.dead_letter d USING ("
                + prunable_keys
                + ") k WHERE d.pipeline = k.pipeline AND d.tenant = k.tenant "
                  "AND d.shard = k.shard AND d.seq = k.seq RETURNING k.size) "
                  "SELECT count(*), coalesce(sum(size), 0) FROM gone");
    if (!result || result->number == 0)
      return result;
    auto noted = conn_.query(
      "INSERT INTO millrace.admin_action (os_user, host, command, object, "
      "reason, before) VALUES ($1, $2, $3, 'millrace.dead_letter', $4, "
      "jsonb_build_object('number', $5::bigint, 'bytes', $6::bigint))",
      {note_.os_user, note_.host, note_.command, note_.reason,
       sql(result->number), sql(result->bytes)});
    if (!noted)
      return std::unexpected{noted.error()};
    return result;
  });
}

} // namespace millrace
