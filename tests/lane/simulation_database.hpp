#pragma once

// What is durable in the simulated world, and what is checked at each commit.

#include "messages/flush.hpp"
#include "messages/partition_view.hpp"
#include "tests/lane/simulation_tables.hpp"
#include "tests/lane/simulation_variants.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::test {

/// Lanes and the offsets, by slot, from which on they are those of the events.
struct sim_map {
  std::size_t lanes = 0;
  std::vector<offset> from;
};

/// A partition of a topic; its place in the list is its slot.
struct sim_partition {
  partition_id id;
  std::vector<sim_event> log;
  offset end;
};

/// A transaction of a lane: a flush, or the replay of a dead letter.
struct sim_work {
  flush what;
  std::optional<sim_letter> replayed = {};
};

/// What PostgreSQL says about the rows of a transaction.
struct sim_trial {
  enum class verdict : uint8_t { fits, poison, no_parent, missing };

  verdict what = verdict::fits;
  std::vector<missing_write> lacks = {};
  std::vector<missing_write> orphans = {};
};

/// How a run's database is.
struct sim_habits {
  /// Waiting events become dead letters after this time.
  std::chrono::milliseconds keep{8'000};

  /// It finds missing rows before other faults of a flush.
  bool missing_first = false;

  /// It names one missing row of several.
  bool names_one = false;

  /// It says which events lack a parent, not only that one does.
  bool names_orphans = false;
};

/// The lane rows, the floors and the maps, with their last few versions. Each
/// commit is held against the log: what lies below a lane's effective offset
/// is what was written, in order and once (I1, I5), or waits, or is a dead
/// letter for a reason; and nothing moves back (I2). The first thing that is
/// wrong is kept in `failure`.
class sim_database {
public:
  sim_database(const std::vector<sim_partition>& partitions,
               std::array<sabotage, 2> broken);

  /// To be called once the log is made.
  void begin(sim_habits habits, bool backfill = false);

  void set_time(sim_time now) noexcept {
    time_ = now;
  }

  // -- views ------------------------------------------------------------------

  std::size_t lanes() const noexcept {
    return now_.lanes.size();
  }

  /// Partitions that have a slot by now.
  std::size_t slots() const noexcept {
    return now_.floors.size();
  }

  map_version version() const noexcept {
    return now_.version;
  }

  millrace::shape shape() const noexcept {
    return now_.shape;
  }

  const sim_map& map() const noexcept {
    return now_.maps.back();
  }

  lane_id id(std::size_t lane) const;

  bool is_active(std::size_t lane) const {
    return now_.lanes[lane].state == lane_state::active;
  }

  /// The row with the floors; nothing when there is no such lane.
  std::optional<lane_row> read(std::size_t lane) const;

  partition_view view(std::size_t p) const;

  /// The lane's next offset, without the floor.
  offset next(std::size_t lane, std::size_t p) const;

  /// The highest effective offset that a lane ever had, in any timeline.
  offset ever(std::size_t lane, std::size_t p) const;

  std::size_t slot_of(const partition_id& x) const;

  /// Whether every event is below its lane's effective offset, and none waits.
  /// Beyond the end of a backfill: whether the other pipeline has come to it.
  bool is_complete() const;

  /// The lane's waiting events from this one on.
  std::vector<sim_waiting> waiting(std::size_t lane, seq from = {}) const;

  std::vector<waiting_entry> waiting_entries(std::size_t lane) const;

  bool is_expired(const sim_waiting& x) const {
    return expires_ && time_ - x.since >= habits_.keep;
  }

  /// Whether waiting events end by time at all.
  void let_expire(bool x) noexcept {
    expires_ = x;
  }

  /// Waiting events that stand behind no other one and lack nothing.
  std::vector<sim_place> ripe() const;

  const std::vector<sim_letter>& letters() const noexcept {
    return now_.tables.letters;
  }

  const sim_event& event(const sim_place& x) const {
    return partitions_[x.p].log[x.index];
  }

  /// The lane that an event is of by the map that counts.
  std::size_t owner_of(const sim_event& e) const {
    return e.route % map().lanes;
  }

  const std::optional<std::string>& failure() const noexcept {
    return failure_;
  }

  void fail(std::string text);

  // -- transactions -----------------------------------------------------------

  uuid mint();

  /// The lane's row with a new owner and epoch.
  lane_row take_over(std::size_t lane);

  bool claim_holds(const claim& x) const;

  /// Whether what it takes from `waiting` or replays is there.
  bool can_take(const sim_work& x) const;

  /// What becomes of its rows, were it to commit.
  sim_trial attempt(const sim_work& x);

  /// Commits what holds.
  void commit(const sim_work& x);

  /// Dead letters in a transaction of their own (`dead_letter_apart`).
  void write_apart(const flush& x);

  /// All holds, but neither COMMIT nor ROLLBACK was seen: the transaction
  /// keeps the row locked.
  void leave_open(sim_work x);

  /// PostgreSQL takes the event's rows from now on.
  void mend(const sim_place& x);

  /// The topic does not have the record any more.
  void lose_record(std::size_t p, offset at);

  bool is_locked(std::size_t lane) const;

  /// The open transaction of the lane, if any, ends.
  void settle(std::size_t lane, bool commits);

  floor_answer act(std::size_t p, const floor_act& x);

  void toggle_state(std::size_t lane);

  void append_slot();

  /// The rows get another shape; false while a transaction is open.
  bool alter_shape();

  // Rule 25. Views tell of a change that is planned.

  void plan_change();

  void abort_change();

  bool changing() const noexcept {
    return now_.changing;
  }

  /// One transaction, at the floors; false when it has to be tried again.
  bool switch_map(std::size_t lanes);

  // A backfill, in simulation_backfills.cpp.

  /// The other pipeline, which does not write the tables yet, has come there.
  void follow(std::size_t p, offset to);

  /// It ends where the other pipeline is, which writes the tables from there
  /// on. False when that is known, or has to be tried again.
  bool end_backfill();

  /// The other pipeline writes some of what is beyond the end, in one
  /// transaction. False when it is held (rule 25), or there is nothing more.
  bool write_beyond(std::size_t p, std::size_t events);

  /// Rows that were written because the other pipeline had made their parent.
  std::size_t adopted() const noexcept {
    return adopted_;
  }

  /// The last commits are gone, epochs and maps included.
  void fail_over(std::size_t commits);

  /// No failover goes behind this.
  void forget_history() {
    history_.assign(1, now_);
  }

private:
  struct stored_floor {
    offset floor;
    uuid token;
  };

  struct durable {
    std::vector<lane_row> lanes;
    std::vector<stored_floor> floors;
    std::vector<sim_map> maps;
    map_version version{1};
    sim_tables tables;
    millrace::shape shape{1};
    bool changing = false;

    /// Of a backfill: by slot where it ends, which may move on unless it
    /// `ends` there.
    std::vector<offset> until;
    bool ends = false;

    /// By slot how far the other pipeline has written what is beyond.
    std::vector<offset> beyond;

    /// Parents that only the other pipeline has made.
    std::array<bool, sim_parents> foreign{};
  };

  /// What is known of an event whatever is forgotten.
  struct known_event {
    /// When it last lacked a row.
    std::optional<sim_time> lacked;
    bool lost = false;
    bool mended = false;
  };

  bool is_broken(sabotage x) const noexcept {
    return broken_[0] == x || broken_[1] == x;
  }

  void remember();
  void add_lane(const std::vector<offset>& next_off, seq next);
  offset effective(std::size_t lane, std::size_t p) const;
  std::optional<std::size_t> lane_of(std::size_t p, const sim_event& e) const;
  const sim_event* find(std::size_t p, offset at) const;
  sim_place place_of(std::size_t p, const sim_event& e) const;
  bool is_refused(const sim_place& x) const;
  bool is_held(std::size_t p) const;
  bool is_all_beyond(std::size_t p) const;
  void write_foreign(std::size_t p, const sim_event& e);
  void add_effects(const sim_work& x, std::size_t source);
  void collect_effects(const sim_work& x);
  void move_waiting(seq& last);

  // Checks of a commit, in simulation_checks.cpp.
  void check(const flush& x, std::size_t p, offset_range range);
  std::string_view explain(const sim_effect& x, std::size_t lane,
                           std::size_t p) const;
  void check_floor(std::size_t p, offset from, offset to);
  void check_end(std::size_t p, offset to);
  void check_flush(const sim_work& x);
  void check_rows(const sim_work& x, const sim_effect& e);
  bool may_wait(const sim_effect& x, std::size_t lane) const;
  bool may_die(const sim_work& x, const sim_effect& e) const;
  void check_number(std::size_t lane, seq number);

  // What a commit writes, in simulation_rows.cpp.
  void take(const sim_work& x);
  void apply(const sim_work& x, const sim_effect& e, seq& letter, seq& aside);
  void write_rows(const sim_effect& x);

  const std::vector<sim_partition>& partitions_;
  std::array<sabotage, 2> broken_;
  durable now_;

  /// The last versions, the newest, which is `now_`, behind.
  std::deque<durable> history_;

  /// By lane.
  std::vector<std::optional<sim_work>> open_;
  std::vector<std::vector<offset>> ever_;

  /// Dead letters that were written outside their flush.
  std::vector<std::pair<std::size_t, offset>> apart_;

  sim_habits habits_;
  bool backfill_ = false;
  bool expires_ = true;
  sim_time time_;
  std::array<std::vector<known_event>, max_partitions> known_;

  /// Of the transaction at hand, in the order of its sources.
  std::vector<sim_effect> effects_;

  /// That it takes from `waiting`.
  std::vector<sim_waiting> taken_;
  uint64_t minted_ = 0;

  /// Ends of a backfill, those that are forgotten among them.
  int64_t ends_ = 0;
  std::size_t adopted_ = 0;
  std::optional<std::string> failure_;
};

} // namespace millrace::test
