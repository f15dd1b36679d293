#pragma once

#include "messages/batch.hpp"
#include "messages/flush.hpp"
#include "messages/lane_reply.hpp"
#include "messages/lane_row.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Limits of one lane. Checked by the configuration before any actor starts.
struct lane_limits {
  /// Close a flush once it holds this many bytes of rows.
  std::size_t flush_bytes = std::size_t{8} << 20;

  /// Drop further batches while this many bytes wait. The consumers' credits
  /// keep a lane below it; resync sends again what was dropped.
  std::size_t queue_bytes = std::size_t{64} << 20;
};

/// What the shell around the core has to do next.
enum class lane_step : uint8_t {
  /// Wait for input.
  none,
  /// Mint an owner and take the lane over, after a back-off when `attempts`
  /// is above zero; answer with `took_over` or `step_failed`.
  take_over,
  /// Read row and floors in one statement; answer with `loaded` or
  /// `step_failed`.
  load,
  /// The same, but locking the row: a commit is in doubt (rule 21).
  resolve,
  /// Run `flight()`; answer with `committed`, `refused` or `lost`.
  flush,
};

/// Why a lane does not move until somebody acts.
enum class lane_halt : uint8_t {
  none,
  /// The row says halted or parked.
  by_row,
  /// There is no row for this lane.
  row_missing,
  /// PostgreSQL refused the rows themselves.
  data,
  /// The claim is refused again and again although nothing differs.
  stuck,
};

std::string to_string(lane_halt x);

/// The decisions of a LANE WRITER, without actors, Kafka or PostgreSQL
/// (protocol.md, rules 11 to 18, 21 and 22).
///
/// The core is told what arrived and what came of the last step; it answers
/// through `next_step` and `take_replies`. At most one step is open at a time.
///
/// Invariants, asserted:
///  * the queue holds, per partition, ranges that follow each other: each
///    begins at or before the end of the one ahead of it;
///  * no fact about the row survives `lost` or `step_failed` (I4);
///  * next offsets and seq move only by `committed` or by a row that was read.
class lane_core {
public:
  lane_core(lane_id id, lane_limits limits);

  // -- input ------------------------------------------------------------------

  /// A batch of one of the lane's partitions; `at` is its slot in the row.
  void receive(batch_ptr data, slot at);

  /// The takeover succeeded: the row is ours until its owner or epoch change.
  void took_over(lane_row row);

  /// A load or resolve answered. Nothing means that the row is missing.
  void loaded(std::optional<lane_row> row);

  /// Takeover, load or resolve did not get an answer: try again.
  void step_failed();

  /// The flight was committed.
  void committed();

  /// The claim was refused; nothing was written.
  void refused();

  /// The connection broke during the flight: maybe written, maybe not.
  void lost();

  /// PostgreSQL rolled the flight back for a passing reason: same flush again.
  void retry();

  /// The same, and the flight took too long: flushes are half as large until
  /// commits make them grow again.
  void retry_smaller();

  /// A connection was made again, perhaps to another server: what was read
  /// before is void (rule 22).
  void reconnected();

  /// PostgreSQL refused the flight's data: the lane halts with this reason.
  void halt(lane_halt why, std::string reason);

  /// Leave a halt behind and start from the row again.
  void resume();

  // -- output -----------------------------------------------------------------

  /// What to do now. Marks the step as open, so ask only when ready to act.
  lane_step next_step();

  /// Acks, nacks and hand-backs since the last call.
  std::vector<lane_reply> take_replies();

  /// The flush that `next_step` announced. Valid until its outcome is told.
  const flush& flight() const;

  // -- views ------------------------------------------------------------------

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

  /// Batches dropped because they were covered already, or for want of room.
  int64_t dropped_batches() const noexcept {
    return dropped_;
  }

private:
  struct queued {
    batch_ptr data;
    slot at;
    offset trim_below;
  };

  enum class phase : uint8_t { cold, ready, busy, flying };

  /// The end of the last nack per partition, so that the batches that follow
  /// a gap do not each cost a reload.
  struct last_nack {
    rewind number;
    offset at;
  };

  void judge(queued x, bool row_is_fresh);
  void judge_all_again();
  void adopt(lane_row row);
  void forget_row();
  void plan();
  void hand_back_all();

  offset tail(slot at) const;
  void reply(lane_reply::kind what, const batch& x, offset at);

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

  std::vector<queued> flying_;
  flush flight_;
  std::map<slot, offset> tails_;
  std::map<slot, last_nack> nacks_;
  std::vector<lane_reply> replies_;
  std::size_t queued_bytes_ = 0;
  int64_t dropped_ = 0;

  /// Grows and shrinks below `limits_.flush_bytes`.
  std::size_t flush_bytes_;
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
