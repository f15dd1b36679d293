#pragma once

#include "messages/partition_view.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// Limits of one partition. Checked by the configuration.
struct cursor_limits {
  /// Bytes on their way to one lane; no more is cut for it beyond.
  std::size_t credit_bytes = std::size_t{4} << 20;

  /// Read the effective offsets again when a batch is not acknowledged for
  /// this long (rule 8b).
  std::chrono::milliseconds resync{10'000};
};

/// Why a partition is not read until somebody acts.
enum class partition_halt : uint8_t {
  none,
  /// The log ends before what is durable: the topic was truncated.
  truncated,
  /// The log begins after what is durable: retention ran past the lanes.
  retention_loss,
  /// The floor row says halted.
  by_row,
  /// Offsets are missing and a second reader does find records there.
  gap,
  /// Something that waiting does not mend, such as a topic that is gone.
  source,
};

std::string to_string(partition_halt x);

/// The cursor's answer to a record's offset.
enum class record_verdict : uint8_t {
  /// At the read position.
  expected,
  /// Below it: left over from an older assignment.
  stale,
  /// Beyond it: offsets are missing in between (rule 4c).
  hole,
};

/// A range that goes to a lane.
struct cut_batch {
  offset_range range;
  rewind number;
};

/// The decisions of a PARTITION CONSUMER for one partition, without actors,
/// Kafka or PostgreSQL (protocol.md, rules 2 to 9, and section 3).
///
/// Lanes are known by their index in the list that the consumer was given;
/// every view passed in lists them in that order.
///
/// Invariants, asserted:
///  * a lane's cuts follow each other: each begins where the last one ended,
///    at the lane's effective offset, or where a nack said;
///  * no cut ends beyond the read position;
///  * acknowledged ≤ cut ≤ read position, per lane with events.
class partition_cursor {
public:
  using clock = std::chrono::steady_clock;

  partition_cursor(std::vector<lane_id> lanes, cursor_limits limits);

  // -- assignment (rules 2 to 4) ----------------------------------------------

  /// Starts anew from durable truth. `log` is the partition's low and high
  /// watermark. Afterwards `halted()` tells whether to read, and `position()`
  /// from where.
  void assign(const partition_view& view, offset_range log);

  offset position() const noexcept {
    return position_;
  }

  partition_halt halted() const noexcept {
    return halt_;
  }

  const std::string& halt_reason() const noexcept {
    return halt_reason_;
  }

  void halt(partition_halt why, std::string reason);

  // -- reading (rules 5 to 7) -------------------------------------------------

  record_verdict judge(offset at) const noexcept;

  /// Whether the lane still needs the record at `at`.
  bool wants(std::size_t lane, offset at) const noexcept {
    const auto& x = lanes_[lane];
    return x.active && at >= x.cut;
  }

  /// The record at `at` belongs to the lane.
  void touch(std::size_t lane, offset at) noexcept;

  /// Everything below `to` has been read.
  void advance(offset to);

  /// The range for the lane's next batch; `bytes` are lent until its ack.
  cut_batch cut(std::size_t lane, std::size_t bytes, clock::time_point now);

  bool has_credit(std::size_t lane) const noexcept {
    return lanes_[lane].lent_bytes < limits_.credit_bytes;
  }

  /// Whether nothing of the lane is on its way.
  bool is_idle(std::size_t lane) const noexcept {
    return lanes_[lane].lent.empty();
  }

  /// Bytes on their way, over all lanes.
  std::size_t lent_bytes() const noexcept;

  // -- answers (rule 8) -------------------------------------------------------

  void ack(std::size_t lane, offset to, clock::time_point now);

  /// Whether this nack is about what is on its way now.
  bool would_rewind(std::size_t lane, offset expected,
                    rewind number) const noexcept {
    const auto& x = lanes_[lane];
    return x.active && number == x.number && expected < x.cut;
  }

  /// True when the partition must be read again from `position()`. What was
  /// sent below `expected` is still on its way.
  bool nack(std::size_t lane, offset expected, rewind number,
            clock::time_point now);

  /// The lane's batches came back unwritten: its acks are overdue at once.
  void handed_back(std::size_t lane, rewind number) noexcept;

  /// The lane's writer is a new one: whatever is on its way may be lost.
  void distrust(std::size_t lane) noexcept;

  /// Some lane has waited longer than `resync` for an ack.
  bool needs_resync(clock::time_point now) const noexcept;

  /// What each lane has acknowledged: to be taken before a view is asked for.
  std::vector<offset> acks() const;

  /// Holds what was acknowledged against a fresh view (rules 8b, 9b, 9c).
  /// True when the partition must be read again from `position()`. Where the
  /// floor is not ours any more, `needs_assign` holds afterwards.
  ///
  /// `acks_then` is what `acks()` was when the view was asked for: the view
  /// cannot know of a later ack. Empty where nothing happened in between.
  bool audit(const partition_view& view, clock::time_point now,
             std::span<const offset> acks_then = {});

  bool needs_assign() const noexcept {
    return needs_assign_;
  }

  /// Lowest acknowledged offset: what is told to Kafka as a hint.
  offset committed_hint() const noexcept;

  // -- floor (section 3, rules 4b and 9) --------------------------------------

  /// A floor act worth trying now, or nothing.
  std::optional<floor_act> propose();

  /// What came of it. A refusal is not a fault: lanes may lag.
  void floor_answer(const floor_act& act, const millrace::floor_answer& answer);

  /// Whether this consumer may raise the floor by touched acts.
  bool holds_floor() const noexcept {
    return holds_floor_;
  }

  offset floor() const noexcept {
    return floor_;
  }

  const std::vector<lane_id>& lane_ids() const noexcept {
    return ids_;
  }

private:
  struct lent_batch {
    offset to;
    std::size_t bytes;
  };

  struct lane_cursor {
    bool active = false;
    offset cut;
    offset acked;
    rewind number;
    /// Last event's offset + 1 since the last successful floor act; 0: none.
    offset touched;
    std::deque<lent_batch> lent;
    std::size_t lent_bytes = 0;
    clock::time_point moved;
    bool overdue = false;
  };

  /// The read position and the lanes touched below it, of one moment.
  struct snapshot {
    offset to;
    std::vector<touched_lane> touched;
  };

  void send_again(lane_cursor& x, offset from);
  bool durable_as_told(const snapshot& x) const noexcept;
  bool follow_floor(offset to, const uuid& token, map_version version,
                    bool is_halted);

  std::vector<lane_id> ids_;
  cursor_limits limits_;
  std::vector<lane_cursor> lanes_;
  offset position_;
  offset start_;
  offset floor_;
  uuid token_;
  map_version version_;
  bool holds_floor_ = false;
  bool needs_assign_ = false;
  std::optional<snapshot> snapshot_;
  partition_halt halt_ = partition_halt::none;
  std::string halt_reason_;
};

} // namespace millrace
