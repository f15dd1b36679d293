#include "actors/store/retention.hpp"

#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

constexpr int64_t week_ms = int64_t{7} * 24 * 3'600'000;

/// Removed in one transaction.
constexpr int64_t chunk = 1'000;

} // namespace

bool comes_near(const retention_survey& x, const retention_rules& rules) {
  auto early = std::max(rules.keep_ms - week_ms, rules.keep_ms / 5 * 4);
  return x.all.bytes > rules.max_bytes / 5 * 4 || x.oldest_ms > early;
}

retention::retention(connection& conn, retention_rules rules, std::string node)
  : conn_{conn},
    rules_{rules},
    node_{std::move(node)} {
}

store_result<bool> retention::take() {
  // The session's end gives it back.
  auto taken = conn_.query("SELECT pg_try_advisory_lock("
                           "hashtextextended('millrace.retention', 0))");
  if (!taken)
    return std::unexpected{taken.error()};
  return bool_of(taken->rows.at(0)[0]);
}

store_result<retention_survey> retention::survey() {
  auto found = conn_.query(
    "SELECT count(*), coalesce(sum(size), 0)::bigint, coalesce((extract(epoch "
    "FROM clock_timestamp() - min(at)) * 1000)::bigint, 0), count(*) FILTER "
    "(WHERE beyond), coalesce(sum(size) FILTER (WHERE beyond), 0)::bigint, "
    "max(at) FILTER (WHERE beyond) FROM (SELECT at, size, at < "
    "clock_timestamp() - $1::bigint * interval '1 ms' OR sum(size) OVER (ORDER "
    "BY at DESC, seq DESC) > $2::bigint AS beyond FROM (SELECT at, seq, "
    "octet_length(headers) + coalesce(octet_length(key), 0) + "
    "coalesce(octet_length(value), 0) AS size FROM millrace.dead_letter) d) x",
    {sql(rules_.keep_ms), sql(rules_.max_bytes)});
  if (!found)
    return std::unexpected{found.error()};
  try {
    const auto& row = found->rows.at(0);
    return retention_survey{{int_of(row[0]), int_of(row[1])},
                            int_of(row[2]),
                            {int_of(row[3]), int_of(row[4])},
                            row[5].value_or("")};
  } catch (const bad_value& e) {
    return std::unexpected{store_error{store_errc::failed, {}, e.what()}};
  }
}

store_result<int64_t> retention::remove(const retention_survey& what,
                                        const std::atomic<bool>& stop) {
  if (what.until.empty())
    return 0;
  auto noted = conn_.query(
    "INSERT INTO millrace.admin_action (os_user, host, command, object, "
    "reason, before) VALUES ('millrace', $1, 'retention', "
    "'millrace.dead_letter', 'until ' || $2, jsonb_build_object('number', "
    "$3::bigint, 'bytes', $4::bigint))",
    {node_, what.until, sql(what.beyond.number), sql(what.beyond.bytes)});
  if (!noted)
    return std::unexpected{noted.error()};
  for (int64_t result = 0;;) {
    auto gone = conn_.query(
      "DELETE FROM millrace.dead_letter WHERE ctid = ANY (ARRAY(SELECT ctid "
      "FROM millrace.dead_letter WHERE at <= $1::timestamptz LIMIT $2))",
      {what.until, sql(chunk)});
    if (!gone)
      return std::unexpected{gone.error()};
    result += gone->affected;
    if (gone->affected < chunk || stop)
      return result;
  }
}

} // namespace millrace
