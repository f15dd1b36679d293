#include "actors/coordinator/partition_store.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

/// Different periods of rows that one look finds in a default partition.
constexpr int64_t max_strays = 100;

std::unexpected<store_error> refuse(const partition_policy& policy,
                                    const std::string& why) {
  return std::unexpected{
    store_error{store_errc::refused, {}, to_string(policy) + ' ' + why}};
}

std::optional<partition_key_type> key_type(const std::string& x) {
  if (x == "timestamp with time zone")
    return partition_key_type::timestamptz;
  if (x == "timestamp without time zone")
    return partition_key_type::timestamp;
  if (x == "date")
    return partition_key_type::date;
  if (x == "bigint")
    return partition_key_type::milliseconds;
  return std::nullopt;
}

/// A key's value, or a bound as the catalog prints it, in milliseconds.
std::string as_milliseconds(partition_key_type type, const std::string& x) {
  if (type == partition_key_type::milliseconds)
    return x + "::bigint";
  return "(extract(epoch FROM " + x + "::" + to_string(type)
         + ") * 1000)::bigint";
}

/// NULL for what is unbounded.
std::string bound_column(partition_key_type type, const std::string& text) {
  return "CASE WHEN " + text
         + " IN ('MINVALUE', 'MAXVALUE', '-infinity', 'infinity') THEN NULL "
           "ELSE "
         + as_milliseconds(type, text) + " END";
}

std::string partitions_query(partition_key_type type) {
  // A bound reads FOR VALUES FROM ('…') TO ('…'), numbers without quotes.
  return "SELECT n.nspname, c.relname, i.inhdetachpending, b.text = 'DEFAULT', "
         + bound_column(type, "b.low") + ", " + bound_column(type, "b.high")
         + " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN "
           "pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL "
           "(SELECT pg_get_expr(c.relpartbound, c.oid) AS text) t CROSS JOIN "
           "LATERAL (SELECT t.text, substring(t.text FROM "
           "'FROM \\(''?([^'')]*)') AS low, substring(t.text FROM "
           "'TO \\(''?([^'')]*)') AS high) b WHERE i.inhparent = "
           "$1::bigint::oid";
}

std::optional<partition_time> time_of(const std::optional<std::string>& x) {
  if (!x)
    return std::nullopt;
  return partition_time{std::chrono::milliseconds{int_of(x)}};
}

/// Key and columns, or why there can be no partitions.
constexpr auto table_query
  = "SELECT c.oid::bigint, p.partstrat::text, p.partnatts, p.partattrs[0], "
    "a.attname, format_type(a.atttypid, NULL), (SELECT "
    "array_agg(x.attname::text ORDER BY x.attnum) FROM pg_attribute x WHERE "
    "x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped AND "
    "x.attgenerated = '')::text[]::text FROM pg_class c JOIN pg_namespace n ON "
    "n.oid = c.relnamespace LEFT JOIN pg_partitioned_table p ON p.partrelid = "
    "c.oid LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = "
    "p.partattrs[0] WHERE n.nspname = $1 AND c.relname = $2";

} // namespace

partition_store::partition_store(connection& conn, const held_lease& lease)
  : conn_{conn},
    lease_{lease} {
}

store_result<bool>
partition_store::take(std::chrono::milliseconds lock_timeout) {
  auto ready = conn_.run("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET "
                         "lock_timeout = "
                         + std::to_string(lock_timeout.count()));
  if (!ready)
    return std::unexpected{std::move(ready.error())};
  // Asked for, not waited for: who waits within a statement keeps DETACH
  // CONCURRENTLY from its end. The session's end gives it back.
  auto taken = conn_.query("SELECT pg_try_advisory_lock(hashtextextended("
                           "'millrace.partitions', 0))");
  if (!taken)
    return std::unexpected{std::move(taken.error())};
  return bool_of(taken->rows.at(0)[0]);
}

store_result<partition_time> partition_store::now() {
  auto found = conn_.query("SELECT (extract(epoch FROM clock_timestamp()) * "
                           "1000)::bigint");
  if (!found)
    return std::unexpected{std::move(found.error())};
  return *time_of(found->rows.at(0)[0]);
}

store_result<known_table>
partition_store::read(const partition_policy& policy) {
  auto found = conn_.query(table_query, {policy.schema, policy.table});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->rows.empty())
    return refuse(policy, "does not exist");
  const auto& row = found->rows[0];
  if (!row[1] || row[1] != "r" || row[2] != "1" || row[3] == "0")
    return refuse(policy, "is not partitioned by range on one column");
  auto type = key_type(*row[5]);
  if (!type)
    return refuse(policy, "is partitioned by a " + *row[5]
                            + ", not by a time or a bigint");
  known_table result;
  result.key = *row[4];
  result.type = *type;
  auto columns = conn_.query("SELECT unnest($1::text[])", {row[6]});
  if (!columns)
    return std::unexpected{std::move(columns.error())};
  for (const auto& x : columns->rows)
    result.columns.emplace_back(text_of(x[0]));
  auto children = conn_.query(partitions_query(*type), {row[0]});
  if (!children)
    return std::unexpected{std::move(children.error())};
  const known_partition* rest = nullptr;
  result.partitions.reserve(children->rows.size());
  for (const auto& x : children->rows) {
    result.partitions.push_back({std::string{text_of(x[0])},
                                 std::string{text_of(x[1])}, time_of(x[4]),
                                 time_of(x[5]), bool_of(x[3]), bool_of(x[2])});
    if (result.partitions.back().is_default)
      rest = &result.partitions.back();
  }
  if (!rest)
    return result;
  auto key = quote_identifier(result.key);
  auto strays = conn_.query("SELECT min(x) FROM (SELECT "
                              + as_milliseconds(*type, key) + " AS x FROM "
                              + quote_identifier(rest->schema, rest->name)
                              + " WHERE " + key + " IS NOT NULL"
                              + (type == partition_key_type::milliseconds
                                   ? ""
                                   : " AND isfinite(" + key + ')')
                              + ") k GROUP BY x / 3600000 ORDER BY 1 LIMIT $1",
                            {sql(max_strays)});
  if (!strays)
    return std::unexpected{std::move(strays.error())};
  for (const auto& x : strays->rows)
    result.strays.push_back(*time_of(x[0]));
  return result;
}

store_result<void>
partition_store::transaction(const std::vector<std::string>& statements) {
  return conn_.in_transaction([&]() -> store_result<void> {
    if (auto held = check_lease(conn_, lease_.term()); !held)
      return held;
    for (const auto& x : statements)
      if (auto done = conn_.run(x); !done)
        return done;
    return {};
  });
}

store_result<void> partition_store::make_default(const partition_policy& policy,
                                                 const std::string& name) {
  return transaction(default_statements(policy, name));
}

store_result<void> partition_store::make(const partition_policy& policy,
                                         const known_table& table,
                                         const new_partition& what) {
  return transaction(make_statements(policy, table, what));
}

store_result<void> partition_store::remove(const partition_policy& policy,
                                           const known_table& table,
                                           const old_partition& what) {
  for (const auto& x : table.partitions)
    if (x.is_default)
      return transaction(
        {detach_statement(policy, what, {}), drop_statement(what)});
  return remove_concurrently(policy, what);
}

store_result<void>
partition_store::remove_concurrently(const partition_policy& policy,
                                     const old_partition& what) {
  int64_t oid = 0;
  auto noted = conn_.in_transaction([&]() -> store_result<void> {
    if (auto held = check_lease(conn_, lease_.term()); !held)
      return held;
    auto row = conn_.query(
      "INSERT INTO millrace.partition_removal (schema_name, table_name, "
      "partition_name, partition_oid, bounds) SELECT n.nspname, $3, c.relname, "
      "c.oid, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c JOIN "
      "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
      "c.relname = $2 ON CONFLICT (schema_name, partition_name) DO UPDATE SET "
      "partition_oid = excluded.partition_oid, bounds = excluded.bounds "
      "RETURNING partition_oid::bigint",
      {what.schema, what.name, to_string(policy)});
    if (!row)
      return std::unexpected{std::move(row.error())};
    if (row->rows.empty())
      return refuse(policy, "has no partition " + what.name + " any more");
    oid = int_of(row->rows[0][0]);
    return {};
  });
  return noted ? finish_one(policy, what, oid) : noted;
}

store_result<void> partition_store::finish_one(const partition_policy& policy,
                                               const old_partition& what,
                                               int64_t oid) {
  auto state = conn_.query("SELECT c.relname, i.inhdetachpending FROM pg_class "
                           "c JOIN pg_namespace n ON n.oid = c.relnamespace "
                           "LEFT JOIN pg_inherits i ON i.inhrelid = c.oid "
                           "WHERE c.oid = $1::bigint::oid AND c.relname = $2 "
                           "AND n.nspname = $3",
                           {sql(oid), what.name, what.schema});
  if (!state)
    return std::unexpected{std::move(state.error())};
  auto forget = "DELETE FROM millrace.partition_removal WHERE schema_name = "
                + quote_literal(what.schema)
                + " AND partition_name = " + quote_literal(what.name);
  if (state->rows.empty())
    return transaction({forget});
  if (const auto& pending = state->rows[0][1]; pending) {
    if (bool_of(pending)) {
      if (auto done = transaction({detach_statement(policy, what, "FINALIZE")});
          !done)
        return done;
    } else {
      // No transaction can hold the lease for this; a takeover ends it.
      if (auto held = transaction({}); !held)
        return held;
      if (auto done = conn_.run(detach_statement(policy, what, "CONCURRENTLY"));
          !done)
        return done;
    }
  }
  return transaction({drop_statement(what), forget});
}

store_result<int64_t> partition_store::finish(const partition_policy& policy) {
  auto begun = conn_.query(
    "SELECT r.schema_name, r.partition_name, r.partition_oid::bigint FROM "
    "millrace.partition_removal r LEFT JOIN pg_inherits i ON i.inhrelid = "
    "r.partition_oid WHERE r.table_name = $1 AND (i.inhrelid IS NULL OR "
    "i.inhdetachpending) ORDER BY r.noted",
    {to_string(policy)});
  if (!begun)
    return std::unexpected{std::move(begun.error())};
  int64_t result = 0;
  for (const auto& x : begun->rows) {
    old_partition what{std::string{text_of(x[0])}, std::string{text_of(x[1])}};
    if (auto done = finish_one(policy, what, int_of(x[2])); !done)
      return std::unexpected{std::move(done.error())};
    ++result;
  }
  return result;
}

} // namespace millrace
