#pragma once

#include "actors/lane/bisection.hpp"
#include "actors/lane/flush_pace.hpp"
#include "actors/lane/lane_core_types.hpp"
#include "actors/lane/orphan_watch.hpp"
#include "actors/lane/reject_breaker.hpp"
#include "actors/lane/waiting_round.hpp"
#include "actors/lane/waiting_set.hpp"
#include "messages/batch.hpp"
#include "messages/flush.hpp"
#include "messages/lane_reply.hpp"
#include "messages/lane_row.hpp"
#include "messages/record_copy.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// The decisions of a LANE WRITER, without actors, Kafka or PostgreSQL
/// (protocol.md, rules 11 to 19, 21 and 22, and section 4).
///
/// The core is told what arrived and what came of the last step; it answers
/// through `next_step` and `take_replies`. At most one step is open at a time.
///
/// Invariants, checked in every build where that costs nothing:
///  * the queue holds, per partition, ranges that follow each other: each
///    begins at or before the end of the one ahead of it;
///  * no fact about the row survives `lost` or `step_failed` (I4);
///  * next offsets and seq move only by `committed` or by a row that was read.
class lane_core {
public:
  using missing_writes = std::vector<missing_write>;

  /// `writes`: by block of the lane's batches.
  lane_core(lane_id id, lane_limits limits, write_traits writes = {});

  // -- input ------------------------------------------------------------------

  /// A batch of one of the lane's partitions; `at` is its slot in the row.
  void receive(batch_ptr data, slot at, origin from = {});

  /// The takeover succeeded: the row is ours until its owner or epoch change.
  void took_over(lane_row row);

  /// A load or resolve answered. Nothing means that the row is missing.
  void loaded(std::optional<lane_row> row);

  /// Takeover, load, resolve or fetch did not get an answer: try again.
  void step_failed();

  /// The record that was wanted, or that it is gone.
  void fetched(const record_copy& raw);

  /// The flight was committed; how long that took.
  void committed(std::chrono::microseconds took = {});

  /// The claim was refused; nothing was written.
  void refused();

  /// The connection broke during the flight: maybe written, maybe not.
  void lost();

  /// PostgreSQL rolled the flight back for a passing reason: same flush again.
  void retry();

  /// The same, and the flight took too long: flushes are half as large until
  /// commits make them grow again.
  void retry_smaller();

  /// PostgreSQL rolled the flight back because of its rows: the event at
  /// fault is found by halves and becomes a dead letter (rule 19).
  void data_refused(data_refusal why);

  /// PostgreSQL rolled the flight back because writes lack their parents, which
  /// may be on their way in another partition or lane. Flushes next what comes
  /// before the first such event of each partition. Where nothing is to be done
  /// the flight is still on: tell `retry` or `rows_missing`.
  orphan_verdict flush_before_orphans(const std::vector<missing_write>& which);

  /// PostgreSQL rolled the flight back because writes lack their rows: the
  /// events wait, or become dead letters (section 4). `sqlstate`: where it is
  /// parents that are missing.
  void rows_missing(const missing_writes& which, const std::string& reason,
                    const std::string& sqlstate = {});

  /// The table has waiting events of the lane: take it over for them.
  void expect_waiting();

  /// It is time to try them again.
  void retry_waiting();

  /// What `read_waiting` found; nothing when there are no more.
  void waiting_read(std::vector<retried_event> events);

  /// A connection was made again, perhaps to another server: what was read
  /// before is void (rule 22).
  void reconnected();

  /// Stops until `resume`; everything is handed back.
  void halt(lane_halt why, std::string reason);

  /// Leave a halt behind and start from the row again.
  void resume();

  // -- output -----------------------------------------------------------------

  /// What to do now. Marks the step as open, so ask only when ready to act.
  /// May find that the lane has to halt.
  lane_step next_step();

  /// Acks, nacks and hand-backs since the last call.
  std::vector<addressed_reply> take_replies();

  /// The flush that `next_step` announced. Valid until its outcome is told.
  const flush& flight() const;

  /// The record that `next_step` wants. Valid until `fetched`.
  wanted_record wanted() const;

  /// Where `read_waiting` is to begin.
  seq wanted_waiting() const noexcept {
    return round_.next();
  }

  // -- views ------------------------------------------------------------------

  /// Empty while no row is held.
  const waiting_set& waiting() const noexcept {
    return waiting_;
  }

  /// There are waiting events, as far as is known, and no try of them is on or
  /// due.
  bool should_retry() const noexcept {
    return (!waiting_.empty() || knows_waiting_) && !retry_due_
           && !round_.active() && halt_ == lane_halt::none;
  }

  /// Waiting events that were written, or became dead letters.
  int64_t released() const noexcept {
    return released_;
  }

  const lane_id& id() const noexcept {
    return id_;
  }

  /// Under which the row was last taken over.
  const uuid& owner() const noexcept {
    return owner_;
  }

  millrace::epoch held_epoch() const noexcept {
    return epoch_;
  }

  bool owns_row() const noexcept {
    return row_.has_value();
  }

  const std::optional<lane_row>& row() const noexcept {
    return row_;
  }

  /// Takeovers in a row that were followed by a fence; 0 after a commit.
  int attempts() const noexcept {
    return attempts_;
  }

  lane_halt halted() const noexcept {
    return halt_;
  }

  const std::string& halt_reason() const noexcept {
    return halt_reason_;
  }

  std::size_t queued_bytes() const noexcept {
    return queued_bytes_;
  }

  std::size_t queued_batches() const noexcept {
    return queue_.size() + unjudged_.size();
  }

  /// Whether a batch of this sender is still to be answered.
  bool owes(origin x) const noexcept;

  /// Waiting events fly (rule 14b), not batches.
  bool flies_waiting() const noexcept {
    return retrying_;
  }

  /// Of some partition only what comes before an event without parents.
  bool flies_before_orphans() const noexcept {
    return !ends_.empty();
  }

  /// The last commit wrote an event whose parent was waited for.
  bool passed_orphan() const noexcept {
    return passed_orphan_;
  }

  /// Of these the first of each partition.
  missing_writes firsts_of(const missing_writes& which) const;

  /// The search for an event that PostgreSQL refuses is on.
  bool bisecting() const noexcept {
    return suspects_.active() || culprit_.has_value();
  }

  /// Batches dropped because they were covered already, or for want of room.
  int64_t dropped_batches() const noexcept {
    return dropped_;
  }

private:
  struct queued {
    batch_ptr data;
    slot at;
    offset trim_below;
    origin from;

    /// While it flies: the flush ends here, and the queue has the rest.
    offset keep_below{std::numeric_limits<int64_t>::max()};

    bool is_part() const noexcept {
      return keep_below < data->range.to;
    }
  };

  /// The event that PostgreSQL refuses, and its dead letter.
  struct culprit {
    slot at;
    partition_id source;
    reject letter;

    /// Without the contents of the row.
    std::string message;
    bool fetched = false;

    /// Rows of writes that are made always are at fault, too.
    bool silent = false;
  };

  enum class phase : uint8_t {
    cold,
    ready,
    busy,
    flying,
    fetching,
    reading_waiting
  };

  /// An event of a slot.
  using event_id = std::pair<slot, offset>;

  /// An event of the next flush that is put aside.
  struct waiter {
    event_id id;
    partition_id source;
    lacking why;
    std::vector<touched_row> touches;

    /// Becomes a dead letter instead.
    bool dead = false;
  };

  /// The end of the last nack per partition, so that the batches that follow
  /// a gap do not each cost a reload.
  struct last_nack {
    rewind number;
    offset at;
  };

  void adopt(lane_row row);
  void forget_row();
  void forget_verdicts() noexcept;
  void land();
  std::deque<queued> take_all();
  void hand_back_all();

  // In lane_core_parents.cpp.
  std::map<slot, offset> first_orphans(const missing_writes& which) const;
  bool may_fly(const std::map<slot, offset>& ends) const;
  offset start_of(const queued& x) const;
  std::optional<offset> end_of(const queued& x) const;

  // In lane_core_judge.cpp.
  void judge(queued x, bool row_is_fresh);
  void judge_all_again();
  offset tail(slot at) const;

  // In lane_core_flush.cpp.
  void plan(queue_prefix end);
  std::size_t flown_bytes() const;
  void add_to_flight(const queued& x, offset trim);
  queue_prefix how_far();
  bool stop_before_halt(queue_prefix& end);
  void halt_before(const batch& data, const reject& r);
  std::optional<queue_prefix> up_to_culprit();
  std::vector<batch_part> parts(const std::deque<queued>& xs) const;
  void check_breaker();
  std::string about_first_reject() const;
  std::vector<bisection::event> left_out_of_flight() const;
  bool has_constant_rows(const batch& data, offset at) const;

  // In lane_core_waiting.cpp.
  void find_waiters(queue_prefix& end);
  bool find_waiters(queue_prefix& end, std::size_t i, waiting_set& fresh);
  std::optional<waiter> judge_waiting(const event_id& id, const batch& data,
                                      const waiting_set& fresh) const;
  const waiter* first_without_record() const;
  void put_aside(const queued& x, flush_source& to);
  bool may_wait(const batch& data, offset at) const;
  bool retry_step(lane_step& to);
  void plan_retry();
  void committed_waiting();
  void forget_waiting();

  void reply(lane_reply::kind what, const queued& x, offset at);

  lane_id id_;
  lane_limits limits_;
  phase phase_ = phase::cold;
  std::optional<lane_row> row_;
  uuid owner_;
  epoch epoch_;

  /// Judged and waiting for a flush, in order of arrival.
  std::deque<queued> queue_;

  /// Waiting for a fresh row before they can be judged.
  std::deque<queued> unjudged_;

  std::deque<queued> flying_;
  flush flight_;
  reject_tally tally_;
  bisection suspects_;
  std::optional<culprit> culprit_;
  reject_breaker breaker_;
  write_traits writes_;

  /// Where the next flush ends, by partition, until one is committed.
  std::map<slot, offset> ends_;
  orphan_watch orphans_;
  bool passed_orphan_ = false;

  // -- waiting events ---------------------------------------------------------

  waiting_set waiting_;
  waiting_round round_;
  std::map<event_id, lacking> lacking_;

  /// Records of events that are about to be put aside.
  std::map<event_id, record_copy> records_;

  /// Of the flush that is being planned, in the order of the queue.
  std::vector<waiter> waiters_;
  std::optional<wanted_record> wanted_;
  int64_t released_ = 0;

  /// The table has some, but the row is not held.
  bool knows_waiting_ = false;
  bool retry_due_ = false;

  /// The flight is one of waiting events.
  bool retrying_ = false;

  /// The last step was one for waiting events: batches are next.
  bool turn_of_batches_ = false;

  std::map<slot, offset> tails_;
  std::map<slot, last_nack> nacks_;
  std::vector<addressed_reply> replies_;
  std::size_t queued_bytes_ = 0;
  int64_t dropped_ = 0;
  flush_pace pace_;
  int attempts_ = 0;
  int refusals_ = 0;
  bool reload_ = false;

  /// The load that is open was asked for before a reconnect.
  bool stale_answer_ = false;
  bool in_doubt_ = false;
  lane_halt halt_ = lane_halt::none;
  std::string halt_reason_;
};

} // namespace millrace
