// What a flush makes of PostgreSQL's errors; the rest of it is in flush.cpp.

#include "actors/store/flush.hpp"
#include "actors/store/pq_result.hpp"
#include "actors/store/sqlstate.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
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
  if (sqlstate == rows_missing_state)
    on_missing(x);
  if (sqlstate == claim_refused_state || sqlstate == waiting_gone_state)
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

/// Says which events lack their rows; `conclude` comes next.
void flush_run::on_missing(PGresult* x) {
  std::vector<uint32_t> positions;
  auto detail = error_field(x, PG_DIAG_MESSAGE_DETAIL);
  for (std::string_view list = detail; !list.empty();) {
    uint32_t at = 0;
    auto end = std::from_chars(list.data(), list.data() + list.size(), at).ptr;
    positions.push_back(at);
    list.remove_prefix(static_cast<std::size_t>(end - list.data()));
    list.remove_prefix(std::min<std::size_t>(1, list.size()));
  }
  const auto& statement = expected_.at(next_);
  result_.missing = folded_.at(statement.copy).missing(work_, positions);
  result_.table = statement.table;
  result_.reason = "no row in " + std::string{statement.table}
                   + " with the key of the event";
}

bool flush_run::refuse_foreign() {
  auto wanted = work_.claim.shape;
  if (!work_.plan || work_.plan->rows_of == wanted
      || !std::ranges::all_of(work_.sources, [&](const flush_source& x) {
           return x.data->shape == wanted;
         }))
    return false;
  // Rows and lane agree: after DDL another node's program has come first, and
  // this node's is the old one. As if the tables had said so.
  result_.sqlstate = other_columns_state;
  conclude(flush_verdict::failed, action_for(other_columns_state),
           "the lane's rows are encoded for other columns than those that this "
           "node's program knows");
  phase_ = phase::done;
  return true;
}

bool flush_run::refuse_lacking() {
  for (const auto& folded : folded_) {
    if (!folded.lacks_rows())
      continue;
    auto missing = folded.missing(work_, {});
    std::ranges::move(missing, std::back_inserter(result_.missing));
  }
  if (result_.missing.empty())
    return false;
  result_.reason = "no row with the key of the event: it was deleted before";
  conclude(flush_verdict::failed, failure_action::missing, result_.reason);
  phase_ = phase::done;
  return true;
}

/// A dead letter that is refused can only halt the lane: there is nowhere else
/// to put the event.
failure_action flush_run::action_for(std::string_view sqlstate) const {
  if (sqlstate == rows_missing_state)
    return failure_action::missing;
  auto result = classify(sqlstate, result_.constraint);
  auto at = next_ < expected_.size() ? expected_[next_] : expectation{};
  auto own
    = at.what == answer::claim || at.what == answer::name
      || (at.what == answer::copy
          && (at.table == dead_letter_table || at.table == waiting_table))
      || result_.schema == "millrace";
  return own && result == failure_action::bisect ? failure_action::halt
                                                 : result;
}

} // namespace millrace
