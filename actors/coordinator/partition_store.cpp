#include "actors/coordinator/partition_store.hpp"

#include "actors/coordinator/partition_archive.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

partition_store::partition_store(connection& conn, const held_lease& lease,
                                 const std::atomic<bool>& stop, std::string by)
  : conn_{conn},
    lease_{lease},
    stop_{stop},
    by_{std::move(by)} {
}

store_result<bool>
partition_store::take(std::chrono::milliseconds lock_timeout) {
  auto ready = partition_catalog{conn_}.prepare();
  if (ready)
    ready
      = conn_.run("SET lock_timeout = " + std::to_string(lock_timeout.count()));
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

store_result<std::filesystem::path>
partition_store::remove(const partition_policy& policy,
                        const known_table& table, const old_partition& what) {
  if (table.is_hypertable()) {
    auto done = transaction({drop_chunks_statement(policy, table, what)});
    if (!done)
      return std::unexpected{std::move(done.error())};
    return std::filesystem::path{};
  }
  std::vector<std::string> at_once;
  for (const auto& x : table.partitions)
    if (x.is_default)
      at_once.push_back(detach_statement(policy, what, {}));
  auto oid = note(policy, what, at_once);
  if (!oid)
    return std::unexpected{std::move(oid.error())};
  return finish(policy, {what, *oid});
}

store_result<int64_t>
partition_store::note(const partition_policy& policy, const old_partition& what,
                      const std::vector<std::string>& statements) {
  return conn_.in_transaction([&]() -> store_result<int64_t> {
    if (auto held = check_lease(conn_, lease_.term()); !held)
      return std::unexpected{std::move(held.error())};
    auto row = conn_.query(
      "INSERT INTO millrace.partition_removal (schema_name, table_name, "
      "partition_name, partition_oid, bounds) SELECT n.nspname, $3, c.relname, "
      "c.oid, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c JOIN "
      "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
      "c.relname = $2 ON CONFLICT (schema_name, partition_name) DO UPDATE SET "
      "partition_oid = excluded.partition_oid, bounds = excluded.bounds, "
      "trouble = NULL RETURNING partition_oid::bigint",
      {what.schema, what.name, to_string(policy)});
    if (!row)
      return std::unexpected{std::move(row.error())};
    if (row->rows.empty())
      return std::unexpected{store_error{
        store_errc::refused,
        {},
        to_string(policy) + " has no partition " + what.name + " any more"}};
    // Whoever lets it be removed holds it no longer.
    auto released
      = conn_.query("DELETE FROM millrace.partition_hold WHERE partition_oid "
                    "= $1::bigint::oid",
                    {row->rows[0][0]});
    if (!released)
      return std::unexpected{std::move(released.error())};
    for (const auto& x : statements)
      if (auto done = conn_.run(x); !done)
        return std::unexpected{std::move(done.error())};
    return int_of(row->rows[0][0]);
  });
}

store_result<std::filesystem::path>
partition_store::finish(const partition_policy& policy,
                        const begun_removal& begun) {
  const auto& what = begun.what;
  auto state = conn_.query("SELECT c.relname, i.inhdetachpending FROM pg_class "
                           "c JOIN pg_namespace n ON n.oid = c.relnamespace "
                           "LEFT JOIN pg_inherits i ON i.inhrelid = c.oid "
                           "WHERE c.oid = $1::bigint::oid AND c.relname = $2 "
                           "AND n.nspname = $3",
                           {sql(begun.oid), what.name, what.schema});
  if (!state)
    return std::unexpected{std::move(state.error())};
  store_result<void> done;
  if (state->rows.empty())
    done = transaction({forget_statement(what)});
  else if (const auto& pending = state->rows[0][1]; pending)
    done = detach(policy, what, bool_of(pending));
  if (done && !state->rows.empty()) {
    if (!policy.rules.archive.empty())
      return archive(policy, begun);
    done = transaction({drop_statement(what), forget_statement(what)});
  }
  if (!done)
    return std::unexpected{std::move(done.error())};
  return std::filesystem::path{};
}

store_result<void> partition_store::detach(const partition_policy& policy,
                                           const old_partition& what,
                                           bool pending) {
  if (pending)
    return transaction({detach_statement(policy, what, "FINALIZE")});
  // No transaction can hold the lease for this; a takeover ends it.
  if (auto held = transaction({}); !held)
    return held;
  return conn_.run(detach_statement(policy, what, "CONCURRENTLY"));
}

store_result<std::filesystem::path>
partition_store::archive(const partition_policy& policy,
                         const begun_removal& begun) {
  auto done = partition_archive{conn_, lease_, stop_, by_}.put_away(policy,
                                                                    begun);
  if (done || !conn_.is_open() || stop_ || !lease_.holds())
    return done;
  // What went wrong is what is told, whether or not it can be noted.
  auto why = done.error().message;
  static_cast<void>(conn_.in_transaction([&]() -> store_result<sql_result> {
    if (auto held = check_lease(conn_, lease_.term()); !held)
      return std::unexpected{std::move(held.error())};
    return conn_.query("UPDATE millrace.partition_removal SET trouble = $3 "
                       "WHERE schema_name = $1 AND partition_name = $2",
                       {begun.what.schema, begun.what.name, why});
  }));
  done.error().message = "partition " + begun.what.name
                         + " is not archived and stays: " + why;
  return done;
}

} // namespace millrace
