#pragma once

// A lane's row in PostgreSQL, and the claim that moves it on.

#include "messages/ids.hpp"
#include "messages/waiting.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Whether a lane takes batches.
enum class lane_state : uint8_t {
  active,
  /// Its tenant keeps failing; tried again later.
  parked,
  /// Waits for a person.
  halted,
};

std::string to_string(lane_state x);
std::optional<lane_state> parse_lane_state(std::string_view text);

/// A lane row with the floors of its partitions, from one snapshot.
struct lane_row {
  lane_id lane;
  millrace::epoch epoch;
  uuid owner;
  seq next_seq;
  millrace::map_version map_version;
  millrace::shape shape;
  lane_state state = lane_state::active;

  /// The lane's own offsets, by slot (counted from 0).
  std::vector<offset> next_off;

  /// The partitions' floors, by slot; as long as `next_off`.
  std::vector<offset> floors;

  /// What waits, in ascending order; read after the rest. That is as good as
  /// one snapshot: whoever adds to it or takes away moves `next_seq`, and then
  /// a claim with the one that is here is refused.
  std::vector<waiting_entry> waiting;

  /// Where the lane's next batch of the partition must begin.
  offset effective(slot at) const {
    auto i = static_cast<std::size_t>(at.value);
    return next_off[i] < floors[i] ? floors[i] : next_off[i];
  }
};

/// The part of a claim that moves one partition; at most one per slot.
struct claim_range {
  slot at;

  /// What next_off[at] must hold: the lane's own offset, not the effective.
  offset old_next;

  /// `from` not above the effective offset, `to` above it.
  offset_range range;

  /// The first row or reject that is written, nothing when there is none.
  /// Not below the effective offset.
  std::optional<offset> first_event;
};

/// The compare-and-swap on the lane row that opens a flush (rule 14a).
struct claim {
  lane_id lane;
  millrace::epoch epoch;
  uuid owner;
  seq next_seq;

  /// Seqs that the flush takes: one for itself and one per reject. Never 0.
  int64_t seqs = 1;

  millrace::map_version map_version;
  millrace::shape shape;
  std::vector<claim_range> ranges;
};

} // namespace millrace
