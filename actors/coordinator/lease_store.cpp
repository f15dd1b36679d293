#include "actors/coordinator/lease_store.hpp"

#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

/// How often transactions of terms before are ended for a takeover.
constexpr int max_attempts = 3;

constexpr std::string_view lock_timeout_state = "55P03";

/// A takeover waits so long for transactions that have checked the row, before
/// it ends them.
constexpr auto set_lock_timeout = "SET LOCAL lock_timeout = '200ms'";

std::unexpected<store_error> no_row() {
  return std::unexpected{
    store_error{store_errc::misconfigured,
                {},
                "millrace.coordinator has no row; insert one: INSERT INTO "
                "millrace.coordinator DEFAULT VALUES"}};
}

} // namespace

std::string coordinator_session_name(int64_t number) {
  return "millrace coordinator " + std::to_string(number);
}

store_result<void> check_lease(connection& conn, const lease_grant& term) {
  auto held = conn.query("SELECT millrace.hold_coordinator($1, $2)",
                         {sql(term.epoch), to_string(term.owner)});
  if (!held)
    return std::unexpected{std::move(held.error())};
  return {};
}

lease_store::lease_store(connection& conn, std::string node)
  : conn_{conn},
    node_{std::move(node)} {
}

store_result<lease_row> lease_store::look() {
  // Up to a day: a term that has never begun is over since -infinity.
  auto found = conn_.query(
    "SELECT epoch, node, CASE WHEN lease_until > clock_timestamp() THEN "
    "ceil(extract(epoch FROM least(lease_until - clock_timestamp(), interval "
    "'1 day')) * 1000)::bigint ELSE 0 END, owner FROM millrace.coordinator");
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->rows.empty())
    return no_row();
  const auto& row = found->rows[0];
  return lease_row{int_of(row[0]), row[1].value_or(""),
                   std::chrono::milliseconds{int_of(row[2])},
                   row[3] ? uuid_of(row[3]) : uuid{}};
}

store_result<std::optional<lease_grant>>
lease_store::take_over(std::chrono::milliseconds length) {
  for (auto attempt = 1;; ++attempt) {
    // What is ended below are terms up to the one that is over now: who takes
    // over meanwhile has a later one.
    auto row = look();
    if (!row)
      return std::unexpected{std::move(row.error())};
    if (row->left > std::chrono::milliseconds{0})
      return std::nullopt;
    auto done = try_take_over(length);
    if (done || done.error().sqlstate != lock_timeout_state
        || attempt == max_attempts)
      return done;
    if (auto ended = end_sessions(row->epoch); !ended)
      return std::unexpected{std::move(ended.error())};
  }
}

store_result<std::optional<lease_grant>>
lease_store::try_take_over(std::chrono::milliseconds length) {
  using result = store_result<std::optional<lease_grant>>;
  return conn_.in_transaction([&]() -> result {
    if (auto ready = conn_.run(set_lock_timeout); !ready)
      return std::unexpected{std::move(ready.error())};
    auto locked = conn_.query("SELECT epoch, lease_until FROM "
                              "millrace.coordinator FOR UPDATE");
    if (!locked)
      return std::unexpected{std::move(locked.error())};
    if (locked->rows.empty())
      return no_row();
    // In a statement of its own: the one that waited for the lock may have
    // looked at the clock before it.
    const auto& row = locked->rows[0];
    auto over = conn_.query("SELECT $1::timestamptz <= clock_timestamp()",
                            {row[1]});
    if (!over)
      return std::unexpected{std::move(over.error())};
    if (!bool_of(over->rows.at(0)[0]))
      return std::nullopt;
    // Statements outside of a transaction, too, which hold no lock on the row.
    if (auto ended = end_sessions(int_of(row[0])); !ended)
      return std::unexpected{std::move(ended.error())};
    lease_grant term{int_of(row[0]) + 1, uuid::random()};
    auto begun = conn_.query(
      "UPDATE millrace.coordinator SET epoch = $1, owner = $2, node = $3, "
      "since = clock_timestamp(), lease_until = clock_timestamp() + "
      "$4::bigint * interval '1 ms'",
      {sql(term.epoch), to_string(term.owner), node_, sql(length.count())});
    if (!begun)
      return std::unexpected{std::move(begun.error())};
    return term;
  });
}

store_result<void> lease_store::end_sessions(int64_t last_epoch) {
  // Only those that this role may end: nobody else can have had the lease.
  auto ended = conn_.query(
    "SELECT pg_terminate_backend(pid, 300) FROM pg_stat_activity WHERE datname "
    "= current_database() AND pid <> pg_backend_pid() AND "
    "pg_has_role(usesysid, 'MEMBER') AND CASE WHEN application_name ~ "
    "'^millrace coordinator [0-9]{1,18}$' THEN split_part(application_name, "
    "' ', 3)::bigint <= $1::bigint ELSE false END",
    {sql(last_epoch)});
  if (!ended)
    return std::unexpected{std::move(ended.error())};
  return {};
}

store_result<bool> lease_store::renew(const lease_grant& term,
                                      std::chrono::milliseconds length) {
  auto done = conn_.query(
    "UPDATE millrace.coordinator SET lease_until = clock_timestamp() + "
    "$3::bigint * interval '1 ms' WHERE epoch = $1 AND owner = $2 AND "
    "lease_until > clock_timestamp()",
    {sql(term.epoch), to_string(term.owner), sql(length.count())});
  if (!done)
    return std::unexpected{std::move(done.error())};
  return done->affected == 1;
}

store_result<void> lease_store::resign(const lease_grant& term) {
  auto done = conn_.query("UPDATE millrace.coordinator SET lease_until = "
                          "clock_timestamp() WHERE epoch = $1 AND owner = $2",
                          {sql(term.epoch), to_string(term.owner)});
  if (!done)
    return std::unexpected{std::move(done.error())};
  return {};
}

} // namespace millrace
