#include "actors/store/flush.hpp"

#include "actors/store/error_text.hpp"
#include "actors/store/pq_result.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sqlstate.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// Bytes given to libpq at a time. It keeps what the socket does not take, so
/// this bounds its buffer.
constexpr std::size_t max_put_bytes = 128 << 10;

} // namespace

flush_run::flush_run(connection& conn, flush work,
                     std::chrono::milliseconds timeout,
                     std::vector<std::string> prologue)
  : conn_{conn},
    work_{std::move(work)},
    prologue_{std::move(prologue)},
    deadline_{clock::now() + timeout},
    started_{clock::now()} {
  if (!conn_.is_open()) {
    on_lost("not connected");
    return;
  }
  try {
    if (refuse_foreign())
      return;
    check();
    prepare();
    if (refuse_lacking())
      return;
  } catch (const std::invalid_argument& e) {
    conclude(flush_verdict::failed, failure_action::halt, e.what());
    phase_ = phase::done;
    return;
  }
  PQsetnonblocking(conn_.raw(), 1);
}

flush_run::~flush_run() {
  if (phase_ != phase::done)
    conn_.close();
}

flush_progress flush_run::advance(std::chrono::milliseconds budget) {
  auto until = std::min(deadline_, clock::now() + budget);
  while (phase_ != phase::done) {
    if (step() == need::nothing || phase_ == phase::done)
      continue;
    if (wait(until))
      continue;
    if (clock::now() < deadline_)
      return flush_progress::pending;
    on_lost("no answer within the flush timeout");
  }
  return flush_progress::done;
}

// -- what is sent -------------------------------------------------------------

/// What the claim says must be what the batches are (rule 14a).
void flush_run::check() const {
  auto require = [](bool holds, const char* otherwise) {
    if (!holds)
      throw std::invalid_argument(otherwise);
  };
  const auto& c = work_.claim;
  require(work_.plan != nullptr, "a flush without a plan");
  require(c.seqs == 1 + reject_count(work_),
          "the claim's seqs are not one and one per reject");
  for (const auto& source : work_.sources) {
    require(source.data->shape == c.shape, "batch and claim differ in shape");
    require(source.data->map_version == c.map_version,
            "batch and claim differ in map_version");
    require(source.data->lane == c.lane, "a batch of another lane");
    // A lane without writes, such as `_unrouted`, still gets sized batches.
    for (auto i = work_.plan->blocks; i < source.data->blocks.size(); ++i)
      require(source.data->blocks[i].rows() == 0,
              "rows of a write that the plan does not have");
  }
}

void flush_run::prepare() {
  script_ = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
            "SET LOCAL application_name="
            + quote_literal(writer_name(work_.claim.lane)) + ';'
            + claim_statement(work_.claim) + work_.plan->check + ';';
  expected_ = {{answer::begin, 0, {}}, //
               {answer::name, 0, {}},
               {answer::claim, 0, {}}};
  if (!work_.taken.empty())
    prologue_.push_back(take_waiting_statement(work_));
  for (const auto& query : prologue_) {
    script_ += query + ';';
    expected_.push_back({answer::prologue, 0, {}});
  }
  for (const auto& write : work_.plan->writes) {
    if (write.folded) {
      add_folded(write);
      continue;
    }
    auto rows = kept_rows(work_, write);
    if (rows.rows == 0)
      continue;
    result_.rows += rows.rows;
    add_copy(std::move(rows), write.copy, write.table);
    if (write.method != write_method::upsert)
      continue;
    script_ += write.merge + ';';
    expected_.push_back({answer::merge, 0, write.table});
  }
  if (auto rows = dead_letter_rows(work_); rows.rows > 0) {
    result_.dead_letters = rows.rows;
    add_copy(std::move(rows), dead_letter_copy, dead_letter_table);
  }
  if (auto rows = waiting_rows(work_); rows.rows > 0) {
    result_.waiting = rows.rows;
    add_copy(std::move(rows), waiting_copy, waiting_table);
  }
  script_ += "COMMIT";
  expected_.push_back({answer::commit, 0, {}});
}

void flush_run::add_copy(copy_rows rows, std::string_view statement,
                         std::string_view table) {
  result_.bytes += rows.bytes;
  expected_.push_back({answer::copy, copies_.size(), table});
  // Header and trailer as pieces of their own: no special cases below.
  rows.pieces.insert(rows.pieces.begin(), copy_header());
  rows.pieces.push_back(copy_trailer());
  copies_.push_back(std::move(rows));
  script_ += statement;
  script_ += ';';
}

void flush_run::add_folded(const planned_write& write) {
  folded_rows folded{work_, write};
  if (folded.data().rows == 0)
    return;
  result_.rows += folded.data().rows;
  add_copy(std::move(folded.data()), write.copy, write.table);
  for (const auto& x : folded.statements()) {
    script_ += *x.sql + ';';
    expected_.push_back({x.counts ? answer::found
                         : x.rows ? answer::rows
                                  : answer::merge,
                         folded_.size(), write.table});
  }
  folded_.push_back(std::move(folded));
}

// -- steps --------------------------------------------------------------------

flush_run::need flush_run::step() {
  switch (phase_) {
    case phase::stage:
      return begin_staging();
    case phase::send:
      return begin_flush();
    case phase::receive:
      return receive();
    case phase::copy:
      return copy();
    case phase::roll_back:
      return begin_roll_back();
    case phase::done:
      break;
  }
  return need::nothing;
}

/// Staging tables are made once per connection, in a transaction of their own:
/// in the flush they would cost every one of them.
flush_run::need flush_run::begin_staging() {
  std::string script;
  for (const auto& write : work_.plan->writes)
    if (write.method == write_method::upsert
        && !conn_.has_staging(write.staging))
      script += write.create_staging + ';';
  if (!script.empty())
    return send(script, phase::stage);
  phase_ = phase::send;
  return need::nothing;
}

flush_run::need flush_run::begin_flush() {
  // Without a COPY the whole string, COMMIT with it, is on its way at once.
  commit_sent_ = copies_.empty();
  return send(script_, phase::send);
}

flush_run::need flush_run::begin_roll_back() {
  return send("ROLLBACK", phase::roll_back);
}

flush_run::need flush_run::send(const std::string& script, phase answers_for) {
  if (PQsendQuery(conn_.raw(), script.c_str()) == 0) {
    on_lost(PQerrorMessage(conn_.raw()));
    return need::nothing;
  }
  answers_for_ = answers_for;
  phase_ = phase::receive;
  return need::nothing;
}

flush_run::need flush_run::receive() {
  auto* raw = conn_.raw();
  if (PQflush(raw) < 0 && PQstatus(raw) != CONNECTION_OK) {
    on_lost(PQerrorMessage(raw));
    return need::nothing;
  }
  if (PQisBusy(raw) == 1)
    return need::socket;
  if (pq_result x{PQgetResult(raw)}) {
    on_result(x.get());
  } else {
    end_of_answers();
  }
  return need::nothing;
}

flush_run::need flush_run::copy() {
  auto* raw = conn_.raw();
  auto& rows = copies_[expected_[next_].copy];
  std::size_t put = 0;
  for (; piece_ < rows.pieces.size() && put < max_put_bytes;) {
    auto left = rows.pieces[piece_].subspan(piece_offset_);
    auto bytes = left.first(std::min(left.size(), max_put_bytes - put));
    auto taken = PQputCopyData(raw, reinterpret_cast<const char*>(bytes.data()),
                               static_cast<int>(bytes.size()));
    if (taken == 0)
      return need::socket;
    if (taken < 0) {
      on_lost(PQerrorMessage(raw));
      return need::nothing;
    }
    put += bytes.size();
    piece_offset_ += bytes.size();
    if (piece_offset_ == rows.pieces[piece_].size()) {
      ++piece_;
      piece_offset_ = 0;
    }
  }
  if (piece_ == rows.pieces.size()) {
    auto last = expected_[next_].copy + 1 == copies_.size();
    commit_sent_ = commit_sent_ || last;
    auto ended = PQputCopyEnd(raw, nullptr);
    if (ended == 0)
      return need::socket;
    if (ended < 0) {
      on_lost(PQerrorMessage(raw));
      return need::nothing;
    }
    phase_ = phase::receive;
    return need::nothing;
  }
  auto flushed = PQflush(raw);
  if (flushed < 0) {
    on_lost(PQerrorMessage(raw));
    return need::nothing;
  }
  return flushed == 0 ? need::nothing : need::socket;
}

bool flush_run::wait(clock::time_point until) {
  auto* raw = conn_.raw();
  auto unsent = PQflush(raw) == 1;
  pollfd events{PQsocket(raw), POLLIN, 0};
  if (unsent)
    events.events = POLLIN | POLLOUT;
  auto left
    = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
  if (::poll(&events, 1, static_cast<int>(std::max(left, 0ms).count())) <= 0)
    return false;
  if ((events.revents & ~POLLOUT) != 0 && PQconsumeInput(raw) == 0)
    on_lost(PQerrorMessage(raw));
  return true;
}

// -- answers ------------------------------------------------------------------

void flush_run::on_result(PGresult* x) {
  auto status = PQresultStatus(x);
  if (status == PGRES_FATAL_ERROR) {
    on_error(x);
    return;
  }
  if (answers_for_ != phase::send || concluded_)
    return;
  if (next_ >= expected_.size()) {
    on_lost("more answers than statements");
    return;
  }
  auto what = expected_[next_].what;
  if (status == PGRES_COPY_IN && what == answer::copy) {
    piece_ = piece_offset_ = 0;
    phase_ = phase::copy;
    return;
  }
  auto tuples = what == answer::claim || what == answer::rows
                || what == answer::found || what == answer::prologue;
  auto wanted = tuples ? PGRES_TUPLES_OK : PGRES_COMMAND_OK;
  if (status != wanted) {
    on_lost("an answer that fits no statement");
    return;
  }
  if (what == answer::found)
    on_found(x);
  ++next_;
  if (what != answer::commit)
    return;
  // A transaction that failed answers COMMIT with ROLLBACK, without an error.
  auto tag = std::string{PQcmdStatus(x)};
  if (tag == "COMMIT") {
    if (!folded_.empty())
      result_.not_found.resize(work_.plan->blocks);
    for (const auto& folded : folded_)
      folded.count_missing(result_.not_found);
    conclude(flush_verdict::committed, failure_action::none, {});
  } else
    conclude(flush_verdict::failed, failure_action::retry,
             "COMMIT was answered by " + tag);
}

void flush_run::on_found(PGresult* x) {
  auto& folded = folded_[expected_[next_].copy];
  for (int row = 0; row < PQntuples(x); ++row)
    folded.found(static_cast<member_set>(std::atoll(PQgetvalue(x, row, 0))),
                 std::atoll(PQgetvalue(x, row, 1)));
}

void flush_run::end_of_answers() {
  auto* raw = conn_.raw();
  if (PQstatus(raw) != CONNECTION_OK) {
    on_lost(PQerrorMessage(raw));
    return;
  }
  if (answers_for_ == phase::stage && !concluded_) {
    for (const auto& write : work_.plan->writes)
      if (write.method == write_method::upsert)
        conn_.note_staging(write.staging);
    phase_ = phase::send;
    return;
  }
  if (!concluded_) {
    on_lost("fewer answers than statements");
    return;
  }
  if (PQtransactionStatus(raw) == PQTRANS_IDLE) {
    end();
  } else if (answers_for_ != phase::roll_back) {
    phase_ = phase::roll_back;
  } else {
    // A rollback that does not roll back: the server does so at the close.
    conn_.close();
    end();
  }
}

void flush_run::on_lost(const std::string& message) {
  // What was concluded before stays true.
  conclude(commit_sent_ ? flush_verdict::in_doubt : flush_verdict::disconnected,
           failure_action::reconnect, one_line(message));
  conn_.close();
  end();
}

void flush_run::conclude(flush_verdict verdict, failure_action action,
                         std::string message) {
  if (std::exchange(concluded_, true))
    return;
  result_.verdict = verdict;
  result_.action = action;
  result_.message = std::move(message);
  result_.duration = std::chrono::duration_cast<std::chrono::microseconds>(
    clock::now() - started_);
}

void flush_run::end() {
  phase_ = phase::done;
  if (conn_.is_open())
    PQsetnonblocking(conn_.raw(), 0);
}

} // namespace millrace
