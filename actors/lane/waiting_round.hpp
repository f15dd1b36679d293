#pragma once

#include "actors/lane/waiting_set.hpp"
#include "messages/flush.hpp"
#include "messages/lane_row.hpp"

#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A waiting event, mapped again from its record.
struct retried_event {
  waiting_event raw;

  /// Its rows but for writes that are made always; or one reject, when it can
  /// no longer be mapped.
  batch_ptr data;
};

/// One try of a lane's waiting events (protocol.md, rule 14b and section 4).
///
/// Goes through them in the order in which they were put aside, some at a
/// time. An event is passed over when an earlier one that still waits touches
/// a row of it. What a flush says is missing goes on waiting, or becomes a
/// dead letter when it has waited for too long; the rest is flushed again.
/// Other errors of the data are found by halves.
///
/// A round ends early after some flushes in vain; the next one begins behind
/// it. Nothing is remembered of a round that was broken off.
class waiting_round {
public:
  /// Flushes in vain per round: one that finds nothing is not to take long.
  static constexpr int max_failures = 32;

  explicit waiting_round(write_traits writes) : writes_{std::move(writes)} {
  }

  /// `all` must outlive the round and changes only by what the round does, and
  /// by events that are added behind it.
  void begin(const waiting_set& all);

  void abandon() noexcept;

  bool active() const noexcept {
    return all_ != nullptr;
  }

  /// The events at hand are used up: read more from `next` on.
  bool wants_more() const noexcept {
    return active() && chunk_.empty();
  }

  seq next() const noexcept {
    return next_;
  }

  /// What was read from there; nothing ends the round.
  void add(std::vector<retried_event> events);

  /// Puts the next flush's sources together, and what it takes away. False:
  /// nothing of what is at hand can be written.
  bool plan(const lane_row& row, flush& to);

  // -- what came of it
  // ----------------------------------------------------------

  void committed();

  /// Writes lack their rows, or their parents.
  void missing(const std::vector<missing_write>& which,
               const std::string& reason, const std::string& sqlstate = {});

  /// The flush took too long.
  void halve() noexcept;

  /// Data error. False when no event can be at fault.
  bool refused(const std::string& sqlstate, const std::string& reason);

  /// Events that the last plan makes dead letters.
  int64_t dead() const noexcept;

private:
  struct item {
    retried_event event;
    waiting_entry entry;
    std::vector<row_touch> touches;

    /// Its last try failed for good.
    bool dead = false;
    bool flies = false;

    /// Goes on waiting; its place says whom it holds back.
    bool stays = false;
  };

  void fails(item& x, const std::string& sqlstate, const std::string& reason);
  static void keep(item& x) noexcept;
  void pass();
  bool waits_for_parents(const batch& data) const;

  /// What a write of the event lacks: its row, or, with an SQLSTATE, a parent.
  bool may_wait(const batch& data, std::size_t block,
                const std::string& sqlstate) const;
  void count_failure();
  void end();

  write_traits writes_;
  const waiting_set* all_ = nullptr;
  std::deque<item> chunk_;

  /// Those that stay and are earlier than all at hand.
  waiting_set held_;
  seq next_;

  /// Where the next round begins.
  seq start_;
  std::size_t limit_ = 0;
  int failures_ = 0;
};

} // namespace millrace
