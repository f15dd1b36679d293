// What a flush makes of PostgreSQL's errors; the rest of it is in flush.cpp.

#include "actors/store/flush.hpp"
#include "actors/store/pq_result.hpp"
#include "actors/store/sqlstate.hpp"

#include <utility>

#include <libpq-fe.h>

namespace millrace {

void flush_run::on_error(PGresult* x) {
  auto sqlstate = error_field(x, PG_DIAG_SQLSTATE);
  auto message = short_error(x);
  if (concluded_)
    return;
  note_error(x);
  if (sqlstate.empty() || PQstatus(conn_.raw()) != CONNECTION_OK
      || ends_connection(x)) {
    // The server itself said so, and before it came to COMMIT: no doubt.
    if (!sqlstate.empty() && expected_.at(next_).what != answer::commit)
      commit_sent_ = false;
    on_lost(message.empty() ? PQerrorMessage(conn_.raw()) : message);
    return;
  }
  if (sqlstate == claim_refused_state)
    conclude(flush_verdict::refused, failure_action::none, std::move(message));
  else
    conclude(flush_verdict::failed, action_for(sqlstate), std::move(message));
}

/// Keeps what PostgreSQL said, for the lane and for a dead letter.
void flush_run::note_error(PGresult* x) {
  auto& to = result_;
  to.sqlstate = error_field(x, PG_DIAG_SQLSTATE);
  to.schema = error_field(x, PG_DIAG_SCHEMA_NAME);
  to.table = error_field(x, PG_DIAG_TABLE_NAME);
  to.column = error_field(x, PG_DIAG_COLUMN_NAME);
  to.constraint = error_field(x, PG_DIAG_CONSTRAINT_NAME);
  to.reason = describe_error(x);
  // Some errors name nothing but are of one statement.
  auto at = next_ < expected_.size() ? expected_[next_] : expectation{};
  auto ours = at.what == answer::copy || at.what == answer::merge
              || at.what == answer::rows || at.what == answer::found;
  auto table = to.schema.empty() ? std::string{} : to.schema + '.';
  table += to.table;
  if (table.empty() && ours)
    table = at.table;
  for (auto [word, name] :
       {std::pair{"table ", &table}, std::pair{"column ", &to.column},
        std::pair{"constraint ", &to.constraint}})
    if (!name->empty())
      to.reason += std::string{"; "} + word + *name;
}

/// A dead letter that is refused can only halt the lane: there is nowhere else
/// to put the event.
failure_action flush_run::action_for(std::string_view sqlstate) const {
  auto result = classify(sqlstate, result_.constraint);
  auto at = next_ < expected_.size() ? expected_[next_] : expectation{};
  auto own = at.what == answer::claim || at.what == answer::name
             || (at.what == answer::copy && at.table == dead_letter_table)
             || result_.schema == "millrace";
  return own && result == failure_action::bisect ? failure_action::halt
                                                 : result;
}

} // namespace millrace
