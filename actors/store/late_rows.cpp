#include "actors/store/late_rows.hpp"

#include "actors/store/sql_values.hpp"
#include "actors/store/write_plan.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

constexpr auto key_query
  = "SELECT a.attname, format_type(a.atttypid, NULL) FROM "
    "pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = "
    "p.partrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN "
    "pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = "
    "p.partattrs[0] WHERE n.nspname = $1 AND c.relname = $2 AND p.partstrat = "
    "'r' AND p.partnatts = 1";

/// Whether the key $1 is too late by $2 milliseconds and the time zone $3, and
/// from when on rows are kept; nothing for keys that are no times.
std::optional<std::string> age_query(const std::string& type) {
  const std::string kept = "$2::bigint * interval '1 ms'";
  const std::string wall = "(clock_timestamp() AT TIME ZONE $3::text - " + kept
                           + ")::timestamp(0)";
  auto query = [](const std::string& late, const std::string& text,
                  const std::string& kept_from) {
    return "SELECT " + late + ", " + text + " FROM (SELECT " + kept_from
           + " AS kept, $3::text) x";
  };
  if (type == "timestamp with time zone")
    return query("$1::timestamptz < kept",
                 "(kept AT TIME ZONE 'UTC')::text || '+00'",
                 "(clock_timestamp() - " + kept + ")::timestamptz(0)");
  if (type == "timestamp without time zone")
    return query("$1::timestamp < kept", "kept::text", wall);
  // The day's last moment counts.
  if (type == "date")
    return query("$1::date + 1 <= kept", "kept::text", wall);
  if (type == "bigint")
    return query("$1::bigint < kept", "kept::text",
                 "(extract(epoch FROM clock_timestamp()) * 1000)::bigint - "
                 "$2::bigint");
  return std::nullopt;
}

const block_target* late_target(const flush& work, const flush_result& result) {
  auto found = std::ranges::find_if(work.plan->targets, [&](const auto& x) {
    return x.late && x.schema == result.schema && x.table == result.table;
  });
  return found == work.plan->targets.end() ? nullptr : &*found;
}

} // namespace

std::optional<std::string> failing_key(std::string_view text) {
  constexpr std::string_view between = ") = (";
  auto at = text.find(between);
  if (at == text.npos)
    return std::nullopt;
  auto value = text.substr(at + between.size());
  auto end = value.find(')');
  if (end == value.npos)
    return std::nullopt;
  return std::string{value.substr(0, end)};
}

void judge_late_rows(connection& conn, flush_result& result,
                     const flush& work) {
  if (result.action != failure_action::wait_partition || !work.plan
      || !conn.is_open())
    return;
  const auto* target = late_target(work, result);
  auto value = failing_key(result.reason);
  if (!target || !value)
    return;
  auto key = conn.query(key_query, {target->schema, target->table});
  if (!key || key->rows.size() != 1)
    return;
  auto query = age_query(key->rows[0][1].value_or(""));
  if (!query)
    return;
  auto age = conn.query(*query, {*value, sql(target->late->keep.count()),
                                 target->late->timezone});
  if (!age || age->rows.size() != 1 || age->rows[0][0] != "t")
    return;
  result.action = failure_action::bisect;
  result.message = "a row is older than its table keeps";
  result.reason = "the row is older than table " + target->schema + '.'
                  + target->table + " keeps: " + key->rows[0][0].value_or("")
                  + " is " + *value + ", and rows are kept from "
                  + age->rows[0][1].value_or("") + " on";
}

} // namespace millrace
