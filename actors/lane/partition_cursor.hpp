#pragma once

#include "actors/lane/cursor_types.hpp"
#include "actors/lane/hold_watch.hpp"
#include "messages/partition_view.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// The decisions of a PARTITION CONSUMER for one partition, without actors,
/// Kafka or PostgreSQL (protocol.md, rules 2 to 9, and section 3).
///
/// Lanes are known by their index in the list that the consumer was given;
/// every view passed in lists them in that order.
///
/// The *main* reading feeds the attached lanes. A lane that is detached keeps
/// its cut, and the main reading goes on without it; its events count for the
/// floor all the same, because they are touched. One *catch-up* run at a time
/// brings detached lanes their events from the least of their cuts on, and no
/// other lane anything. Where its position meets the main one, its lanes are
/// attached again: both positions are moved by one owner, so that is exact.
/// Only the main reading touches lanes: all that a floor of ours may pass was
/// read by it, from the assignment's start on.
///
/// A main position that goes back behind the catch-up one ends the run; its
/// lanes wait, and those whose cut is then at or beyond the main position are
/// attached without being read for.
///
/// Whether a rewind takes the main position back or detaches the lane depends
/// on its share of what was sent of late: who is half of the traffic or more
/// is worth reading again for (simple), others are not read twice for it. When
/// the lanes that were rewound one by one come to that share together, as
/// after a reconnect, the position goes back for all of them.
///
/// A lane that becomes active again, or that fell back, is never a reason to
/// begin anew, as long as the floor is ours: while the floor is frozen, only
/// full acts raise it, and these look at all lanes in the database. The one
/// exception is an attached lane below the start: the view that the start was
/// taken from was void.
///
/// Invariants, checked in every build where that costs nothing:
///  * a lane's cuts follow each other: each begins where the last one ended,
///    at the lane's effective offset, or where a nack said;
///  * no cut ends beyond the position of the lane's reading;
///  * the catch-up position is at or below the main one when lanes rejoin;
///  * acknowledged ≤ cut ≤ read position, per attached lane with events;
///  * the main position is not beyond a barrier, nor a backfill's end.
class partition_cursor {
public:
  using clock = std::chrono::steady_clock;
  using lane_test = std::function<bool(std::size_t lane)>;

  partition_cursor(std::vector<lane_id> lanes, cursor_limits limits);

  // -- assignment (rules 2 to 4) ----------------------------------------------

  /// Starts anew from durable truth. `log` is the partition's low and high
  /// watermark. Afterwards `halted()` tells whether to read, and `position()`
  /// from where. Lanes that retention ran past are inactive, see `lost()`.
  void assign(const partition_view& view, offset_range log);

  offset position(reading_kind which = reading_kind::main) const noexcept {
    return which == reading_kind::main ? position_ : catch_up_;
  }

  partition_halt halted() const noexcept {
    return halt_;
  }

  const std::string& halt_reason() const noexcept {
    return halt_reason_;
  }

  void halt(partition_halt why, std::string reason);

  /// RETENTION_LOSS, lane by lane: those whose row does not say so yet.
  std::vector<lost_lane> lost() const;

  // -- reading (rules 5 to 7) -------------------------------------------------

  record_verdict judge(offset at,
                       reading_kind which = reading_kind::main) const noexcept;

  /// Whether the lane still needs the record at `at` from this reading.
  bool wants(std::size_t lane, offset at,
             reading_kind which = reading_kind::main) const noexcept {
    const auto& x = lanes_[lane];
    return is_read_by(lane, which) && at >= x.cut;
  }

  bool is_read_by(std::size_t lane, reading_kind which) const noexcept {
    return lanes_[lane].mode
           == (which == reading_kind::main ? lane_mode::attached
                                           : lane_mode::catching_up);
  }

  /// The record at `at`, met by the main reading, belongs to the lane.
  void touch(std::size_t lane, offset at) noexcept;

  /// Everything below `to` has been read.
  void advance(offset to, reading_kind which = reading_kind::main);

  /// The range for the lane's next batch; `bytes` are lent until its ack.
  cut_batch cut(std::size_t lane, std::size_t bytes, clock::time_point now);

  bool has_credit(std::size_t lane) const noexcept {
    return lanes_[lane].lent_bytes < limits_.credit_bytes;
  }

  /// Whether nothing of the lane is on its way.
  bool is_idle(std::size_t lane) const noexcept {
    return lanes_[lane].lent.empty();
  }

  lane_mode mode(std::size_t lane) const noexcept {
    return lanes_[lane].mode;
  }

  /// Where the lane's next batch begins.
  offset cut_of(std::size_t lane) const noexcept {
    return lanes_[lane].cut;
  }

  /// Under which the lane's next batch goes; what was collected under another
  /// one is void.
  rewind number_of(std::size_t lane) const noexcept {
    return lanes_[lane].number;
  }

  /// Bytes on their way, over all lanes, or to one.
  std::size_t lent_bytes() const noexcept;

  std::size_t lent_bytes(std::size_t lane) const noexcept {
    return lanes_[lane].lent_bytes;
  }

  /// How the lane does, for who decides what is held up by it.
  lane_load load(std::size_t lane) const noexcept;

  // -- detached lanes (rule 7) ------------------------------------------------

  /// Leaves an attached or catching-up lane behind at its cut. What is
  /// collected of it must be dropped.
  void detach(std::size_t lane);

  /// Detached lanes that need no catch-up, because nothing above their cut was
  /// read yet, are attached. To be called when positions or credits moved.
  void attach_ready();

  /// Begins a run at the least cut of the detached lanes that have half of
  /// their credit or more; false when there is none.
  bool begin_run(clock::time_point now);

  /// Detached lanes with credit that the run has not passed yet join it.
  void join_run();

  /// What became of the run; see `tend_run`.
  enum class run_state : uint8_t { none, going, rejoined, over };

  /// Ends the run where it met the main reading and `verified` (no hole of it
  /// is open): its lanes are attached. Ends it, its lanes waiting again, when
  /// the main position went back behind it, when no lane is left in it, when
  /// what follows is for lanes far ahead only, or when it was long and others
  /// wait further back.
  run_state tend_run(bool verified, clock::time_point now);

  /// Ends the run, its lanes wait again.
  void end_run();

  bool is_running() const noexcept {
    return running_;
  }

  /// A lane with credit that the run has passed waits for the next one.
  bool others_wait() const noexcept;

  /// Whether the catch-up is so near, and gets on, that the main reading has
  /// to wait for it.
  bool main_waits(clock::time_point now) const noexcept;

  /// Lanes that the main reading goes on without, those in a run included.
  std::size_t detached_lanes() const noexcept;

  /// Changes since the last call, the oldest first.
  std::vector<lane_change> take_changes() {
    return std::exchange(changes_, {});
  }

  // -- answers (rule 8) -------------------------------------------------------

  void ack(std::size_t lane, offset to, clock::time_point now);

  /// Whether this nack is about what is on its way now.
  bool would_rewind(std::size_t lane, offset expected,
                    rewind number) const noexcept;

  /// Whether a rewind of this lane takes the main position back: it is
  /// attached, and half of the recent bytes or more are its own or of others
  /// that were rewound.
  bool goes_back(std::size_t lane) const noexcept;

  /// True when the partition must be read again from `position()`. What was
  /// sent below `expected` is still on its way. `back` overrides `goes_back`,
  /// for who asked before it cut batches.
  bool nack(std::size_t lane, offset expected, rewind number,
            clock::time_point now, std::optional<bool> back = {});

  /// What was collected of an attached lane is dropped: its events are read
  /// again from its cut on.
  void read_again(std::size_t lane);

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
  /// floor is not ours any more, `needs_assign` holds afterwards. Lanes whose
  /// rows are not active any more are inactive afterwards, and those that are
  /// again are detached.
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

  // -- changes of the map (rule 25) -------------------------------------------

  /// Where reading stops while the map is about to change: where the main
  /// reading was when a view first told of it, or where a lane stands, if that
  /// is further. Set, raised and lifted by `assign` and `audit`.
  std::optional<offset> barrier() const noexcept {
    return barrier_;
  }

  /// How far a reading may go; nothing: no limit. The main one stops at a
  /// barrier, and in a backfill at its end.
  std::optional<offset> ceiling(reading_kind which) const noexcept {
    if (which == reading_kind::catch_up)
      return position_;
    return barrier_ && until_ ? std::min(barrier_, until_)
                              : (barrier_ ? barrier_ : until_);
  }

  /// All lanes have all below the main reading's ceiling, but the floor is
  /// frozen for this consumer (rule 4b): only after a new assignment it comes
  /// there.
  bool is_stuck_at_barrier() const noexcept;

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

  /// Idle lanes that a batch without events is to be cut for, a few at a time
  /// (rule 9c): the floor has stood still below them for `floor_patience`, as a
  /// lane that is halted or lags holds it, and a restart would begin where the
  /// idle ones stand. Lanes that `has_writer` denies are left: what is lost on
  /// the way to them would be read a second time. To be called with each audit,
  /// and only while no hole is open: such a batch says that all up to the
  /// position was read.
  std::vector<std::size_t> idle_lanes_behind(clock::time_point now,
                                             const lane_test& has_writer);

  const std::vector<lane_id>& lane_ids() const noexcept {
    return ids_;
  }

private:
  struct lent_batch {
    offset to;
    std::size_t bytes;
  };

  struct lane_cursor {
    lane_mode mode = lane_mode::inactive;
    offset cut;
    offset acked;
    rewind number;
    /// Last event's offset + 1 since the last successful floor act; 0: none.
    offset touched;
    std::deque<lent_batch> lent;
    std::size_t lent_bytes = 0;
    clock::time_point moved;
    clock::time_point acked_at;
    bool overdue = false;

    /// Retention ran past it, and its row does not say so yet.
    bool lost = false;

    /// Detached because it fell back, not because it held others up.
    bool rewound = false;

    /// Bytes cut for it, the older the less.
    double recent = 0;
  };

  /// The read position and the lanes touched below it, of one moment.
  struct snapshot {
    offset to;
    std::vector<touched_lane> touched;
  };

  void set_mode(std::size_t lane, lane_mode to);
  void send_again(std::size_t lane, offset from, bool back);
  void deactivate(std::size_t lane);
  void resume(std::size_t lane, offset effective);
  bool may_return(const lane_cursor& x) const noexcept;
  bool runs_ahead_only() const noexcept;
  void age_recent(clock::time_point now);
  bool pays_to_go_back(double bytes) const noexcept;
  void go_back(offset to);
  bool durable_as_told(const snapshot& x) const noexcept;
  bool heed_change(const partition_view& view);
  bool follow_floor(offset to, const uuid& token, map_version version,
                    bool is_halted);

  std::vector<lane_id> ids_;
  cursor_limits limits_;
  std::vector<lane_cursor> lanes_;
  offset position_;

  /// Only while `running_`.
  offset catch_up_;
  bool running_ = false;
  clock::time_point run_began_;

  /// Where the run was last seen to have got to, and when it moved there.
  offset run_seen_;
  std::optional<clock::time_point> run_moved_;
  std::vector<lane_change> changes_;
  clock::time_point recent_at_;
  offset log_begin_;
  offset start_;
  offset floor_;
  uuid token_;
  map_version version_;
  bool holds_floor_ = false;
  bool needs_assign_ = false;
  std::optional<snapshot> snapshot_;

  /// Where the floor stands, since when, and how far idle lanes are moved now.
  std::optional<offset> floor_seen_;
  clock::time_point floor_stands_since_;
  std::optional<offset> move_idle_to_;
  std::optional<offset> barrier_;

  /// Of a backfill: its end, as far as it is known.
  std::optional<offset> until_;
  partition_halt halt_ = partition_halt::none;
  std::string halt_reason_;
};

} // namespace millrace
