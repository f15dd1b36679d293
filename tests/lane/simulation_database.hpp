#pragma once

// What is durable in the simulated world, and what is checked at each commit.

#include "messages/flush.hpp"
#include "messages/partition_view.hpp"
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

/// A record of the simulated log.
struct sim_event {
  offset at;

  /// Decides about the lane; 0: no lane wants it.
  std::size_t route = 0;

  /// The database refuses its rows.
  bool poison = false;
};

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

/// The lane rows, the floors and the maps, with their last few versions. Each
/// commit is held against the log: what lies below a lane's effective offset
/// is what was written, in order and once (I1, I5), and nothing moves back
/// (I2). The first thing that is wrong is kept in `failure`.
class sim_database {
public:
  sim_database(const std::vector<sim_partition>& partitions,
               std::array<sabotage, 2> broken);

  // -- views ------------------------------------------------------------------

  std::size_t lanes() const noexcept {
    return now_.lanes.size();
  }

  /// Partitions that have a slot by now.
  std::size_t slots() const noexcept {
    return now_.floors.size();
  }

  map_version version() const noexcept {
    return {static_cast<int64_t>(now_.maps.size())};
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

  /// Whether every event is below its lane's effective offset.
  bool is_complete() const;

  const std::optional<std::string>& failure() const noexcept {
    return failure_;
  }

  void fail(std::string text);

  // -- transactions -----------------------------------------------------------

  uuid mint();

  /// The lane's row with a new owner and epoch.
  lane_row take_over(std::size_t lane);

  bool claim_holds(const claim& x) const;

  /// Whether PostgreSQL refuses one of the rows.
  bool holds_poison(const flush& x) const;

  /// Commits a flush whose claim holds.
  void commit(const flush& x);

  /// Dead letters in a transaction of their own (`dead_letter_apart`).
  void write_apart(const flush& x);

  /// The claim holds, but neither COMMIT nor ROLLBACK was seen: the
  /// transaction keeps the row locked.
  void leave_open(const flush& x);

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
    millrace::shape shape{1};
    bool changing = false;
  };

  struct written_event {
    offset at;
    bool dead = false;
  };

  bool is_broken(sabotage x) const noexcept {
    return broken_[0] == x || broken_[1] == x;
  }

  void remember();
  void add_lane(const std::vector<offset>& next_off, seq next);
  offset effective(std::size_t lane, std::size_t p) const;
  std::optional<std::size_t> lane_of(std::size_t p, const sim_event& e) const;
  void collect(const flush& x, std::size_t p);
  void check(const flush& x, std::size_t p, offset_range range);
  std::string_view explain(const written_event& x, std::size_t lane,
                           std::size_t p) const;
  void check_floor(std::size_t p, offset from, offset to);

  const std::vector<sim_partition>& partitions_;
  std::array<sabotage, 2> broken_;
  durable now_;

  /// The last versions, the newest, which is `now_`, behind.
  std::deque<durable> history_;

  /// By lane.
  std::vector<std::optional<flush>> open_;
  std::vector<std::vector<offset>> ever_;

  /// Dead letters that were written outside their flush.
  std::vector<std::pair<std::size_t, offset>> apart_;
  std::vector<written_event> written_;
  uint64_t minted_ = 0;
  std::optional<std::string> failure_;
};

} // namespace millrace::test
