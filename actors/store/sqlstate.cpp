#include "actors/store/sqlstate.hpp"

#include <array>

namespace millrace {

namespace {

using enum failure_action;

constexpr std::string_view make_it
  = "make it, or run 'millrace migrate up' where it is one of Millrace's own";

/// In the order of the protocol's rules.
constexpr auto policies = std::to_array<sqlstate_policy>({
  // Rule 19: the data.
  {"22", bisect, "a value is out of range or of the wrong form"},
  {"23502", bisect, "a column may not be null"},
  {"23503", bisect, "a row that is referred to is missing"},
  {"23505", bisect, "a unique key is there already"},
  {"23514", bisect, "a check constraint says no"},
  {"23P01", bisect, "an exclusion constraint says no"},
  {"21000", bisect, "a statement would change one row twice"},
  {"54", bisect, "a value is beyond a limit of PostgreSQL"},
  {"P0001", bisect, "a function or trigger of the tenant says no"},

  // Rule 19: our own encoding. A field that is too long is 22P03, one that is
  // too short a protocol violation.
  {"22P03", halt, "our binary encoding is wrong"},
  {"22P04", halt, "our COPY data is wrong"},
  {"08P01", halt, "our messages are wrong"},

  // Rule 20: passing.
  {"40001", retry, "another transaction came first"},
  {"40P01", retry, "a deadlock was broken"},
  {"55P03", retry, "a lock was not had in time"},
  {"57014", halve, "the statement took too long or was cancelled"},

  // Rule 20: another connection.
  {"08", reconnect, "the connection is broken"},
  {"57P0", reconnect, "the server ends, begins or ends connections"},
  {"25", reconnect, "the transaction or the server takes no writes"},
  {"28", reconnect, "the server does not let us in"},
  {"3D000", reconnect, "the database is gone"},

  // Rule 20: the server is short of something.
  {"53", back_off, "the server is short of memory, disk or connections"},
  {"58030", back_off, "the server cannot read or write its files"},

  // Rule 20: a migration or a grant is missing.
  {"42P01", park, "a table is missing", make_it},
  {"3F000", park, "a schema is missing", make_it},
  {"42501", park, "a privilege is missing",
   "grant it to the tenant's role, see Roles in docs/operations.md"},
  {"42703", park, "a column is missing", make_it},
  {"42804", park, "a column has another type",
   "give it back its type, or restart the node"},
  {"42P10", park, "a unique index for the key is missing", make_it},
  {"42883", park, "a function is missing", make_it},
  {"MR005", park, "a table has other columns than rows are encoded for"},

  // Rule 20: PostgreSQL itself.
  {"XX", halt, "PostgreSQL reports a fault of its own, or broken data"},
});

/// Nothing for a state that no row fits.
const sqlstate_policy* find(std::string_view sqlstate) noexcept {
  const sqlstate_policy* result = nullptr;
  for (const auto& x : policies)
    if (sqlstate.starts_with(x.state)
        && (!result || x.state.size() > result->state.size()))
      result = &x;
  return result;
}

} // namespace

std::span<const sqlstate_policy> sqlstate_policies() noexcept {
  return policies;
}

std::string_view mend_of(std::string_view sqlstate) noexcept {
  if (sqlstate.empty() || classify(sqlstate, {}) != park)
    return {};
  const auto* row = find(sqlstate);
  return row ? row->mend : "see 'A lane is parked' in docs/runbook.md";
}

failure_action classify(std::string_view sqlstate,
                        std::string_view constraint) noexcept {
  if (sqlstate.empty())
    return reconnect;
  if (sqlstate == "23514" && constraint.empty())
    return wait_partition;
  const auto* row = find(sqlstate);
  return row ? row->action : park;
}

store_errc to_errc(std::string_view sqlstate) noexcept {
  switch (classify(sqlstate, {})) {
    case retry:
    case halve:
      return store_errc::retry;
    case reconnect:
      return store_errc::unavailable;
    case back_off:
      return store_errc::back_off;
    case park:
      return find(sqlstate) ? store_errc::misconfigured : store_errc::failed;
    default:
      return store_errc::failed;
  }
}

} // namespace millrace
