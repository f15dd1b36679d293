#pragma once

// What PostgreSQL says about one partition: every lane's effective offset and
// the floor, read in one statement; and the acts that raise the floor.

#include "messages/lane_row.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// One lane as a consumer of the partition sees it.
struct lane_position {
  lane_id lane;
  offset effective;
  lane_state state = lane_state::active;
};

/// A partition's truth from one snapshot (rule 2).
struct partition_view {
  /// All lanes of the pipeline.
  std::vector<lane_position> lanes;
  slot at;
  offset floor;
  uuid token;
  millrace::map_version map_version;
  bool halted = false;

  /// A change of the map is under way (rule 25): read no further than all
  /// lanes can come to.
  bool changing = false;

  /// The backfill that has to come to its end before the pipeline goes on,
  /// which is why it is `changing`.
  std::string held_by{};

  /// Of a backfill: nothing from there on is for it. That may still grow,
  /// unless it `ends` there.
  std::optional<offset> until{};
  bool ends = false;

  /// A backfill that lacks nothing any more.
  bool finished() const noexcept {
    return ends && until && floor >= *until;
  }
};

/// A lane that had events, and where the last of them ends.
struct touched_lane {
  /// Index in the consumer's list of lanes.
  std::size_t lane = 0;
  lane_id id;
  offset end;
};

/// A guarded raise of a floor (protocol.md, section 3).
struct floor_act {
  /// Full: to the least effective offset of all lanes. Touched: to `to`, if
  /// every lane in `touched` has come as far as its `end`.
  bool full = false;
  offset to;
  std::vector<touched_lane> touched;

  // -- the row as this consumer last saw it -----------------------------------
  offset floor;
  uuid token;
  millrace::map_version map_version;
};

/// The floor row after an act, whoever wrote it last.
struct floor_answer {
  bool accepted = false;
  offset floor;
  uuid token;
  millrace::map_version map_version;
  bool halted = false;
};

} // namespace millrace
