#pragma once

#include "actors/store/connection.hpp"
#include "actors/store/copy_rows.hpp"
#include "actors/store/folded_rows.hpp"
#include "actors/store/write_plan.hpp"
#include "messages/flush.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// libpq's result.
struct pg_result;

namespace millrace {

enum class flush_progress : uint8_t { pending, done };

/// One flush on one connection (protocol.md, rules 14 to 17).
///
/// The whole transaction is one query string: claim, COPY and merge per write
/// in the order of the plan, COPY of dead letters, COMMIT. Nothing after a
/// claim that is refused is executed, because the claim raises an error.
///
/// Guarantees: `committed` only after the command tag COMMIT; `refused`,
/// `failed` and `disconnected` only when nothing was written; `in_doubt`
/// otherwise. From the last CopyDone on (from the send when there is no COPY)
/// a lost connection is in doubt, since COMMIT was sent already.
///
/// Afterwards the connection is idle, or closed. If the object goes away while
/// pending, the connection is closed and the flush is in doubt.
class flush_run {
public:
  /// The connection outlives the run, and nobody else uses it meanwhile.
  /// `prologue`: queries that run between the claim and the first row, in the
  /// same transaction; one that must not go on raises an error (rule 14b).
  flush_run(connection& conn, flush work, std::chrono::milliseconds timeout,
            std::vector<std::string> prologue = {});
  ~flush_run();
  flush_run(const flush_run&) = delete;
  flush_run& operator=(const flush_run&) = delete;

  /// Sends and receives for at most `budget`.
  flush_progress advance(std::chrono::milliseconds budget);

  /// Valid once `advance` answered `done`.
  const flush_result& result() const noexcept {
    return result_;
  }

  /// How its rows reach their tables; may be null for a flush that was refused
  /// because of that.
  const write_plan_ptr& plan() const noexcept {
    return work_.plan;
  }

  const flush& work() const noexcept {
    return work_;
  }

  /// The lane whose row the flush claims.
  const lane_id& lane() const noexcept {
    return work_.claim.lane;
  }

private:
  using clock = std::chrono::steady_clock;

  /// What the next answer of the server belongs to.
  enum class answer : uint8_t {
    begin,
    name,
    claim,
    prologue,
    copy,
    merge,
    /// Rows that say nothing.
    rows,
    /// How many keys of folded writes found their row.
    found,
    commit,
  };

  struct expectation {
    answer what = answer::begin;
    /// Index into `copies_` where `what` is a copy, into `folded_` where it is
    /// found.
    std::size_t copy = 0;
    /// Qualified name, where it is about one table. The plan has the text.
    std::string_view table;
  };

  enum class phase : uint8_t { stage, send, receive, copy, roll_back, done };

  /// Whether the next step can be made at once.
  enum class need : uint8_t { nothing, socket };

  void prepare();
  void add_copy(copy_rows rows, std::string_view statement,
                std::string_view table);
  void add_folded(const planned_write& write);
  void check() const;

  /// Concludes when the rows are of another program than the plan (rule 26).
  bool refuse_foreign();

  /// Concludes when the flush lacks rows that itself deletes.
  bool refuse_lacking();

  need step();
  need begin_staging();
  need begin_flush();
  need begin_roll_back();
  need send(const std::string& script, phase answers_for);
  need receive();
  need copy();
  void end_of_answers();

  void on_result(pg_result* x);
  void on_found(pg_result* x);
  void on_error(pg_result* x);
  void note_error(pg_result* x);
  failure_action action_for(std::string_view sqlstate) const;
  void on_missing(pg_result* x);
  void on_lost(const std::string& message);
  void conclude(flush_verdict verdict, failure_action action,
                std::string message);
  void end();

  /// False when the socket stayed as it is until then.
  bool wait(clock::time_point until);

  connection& conn_;
  flush work_;
  std::vector<std::string> prologue_;
  clock::time_point deadline_;
  clock::time_point started_;

  phase phase_ = phase::stage;
  /// Which query string the answers being received belong to.
  phase answers_for_ = phase::stage;

  std::string script_;
  std::vector<expectation> expected_;
  std::size_t next_ = 0;
  std::vector<copy_rows> copies_;
  std::vector<folded_rows> folded_;

  // Where the COPY in progress stands.
  std::size_t piece_ = 0;
  std::size_t piece_offset_ = 0;

  /// From here on a lost connection is in doubt.
  bool commit_sent_ = false;

  bool concluded_ = false;
  flush_result result_;
};

} // namespace millrace
