#pragma once

// The words of a partition cursor.

#include "messages/ids.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// Limits of one partition. Checked by the configuration.
struct cursor_limits {
  /// Bytes on their way to one lane; no more is cut for it beyond.
  std::size_t credit_bytes = std::size_t{4} << 20;

  /// Read the effective offsets again when a batch is not acknowledged for
  /// this long (rule 8b).
  std::chrono::milliseconds resync{10'000};

  /// While the floor stands still for this long, idle lanes are moved by
  /// batches without events (rule 9c).
  std::chrono::milliseconds floor_patience{300'000};

  /// A lane that holds its partition for this long while others could go on
  /// is detached (rule 7).
  std::chrono::milliseconds detach_after{2'000};

  /// A catch-up reading that is as near as this many offsets to the main one
  /// is waited for, so that it ends under constant load too.
  int64_t near_offsets = 10'000;

  /// A run that has gone on for so long gives way to lanes further back.
  std::chrono::milliseconds run_limit{10'000};
};

/// A partition is read once for all, and a second time for lanes that were
/// left behind.
enum class reading_kind : uint8_t { main, catch_up };

/// Who reads for a lane.
enum class lane_mode : uint8_t {
  /// Nobody: its row is not active, or Kafka has no longer what it needs.
  inactive,
  /// The main reading.
  attached,
  /// Nobody now: the catch-up reading will bring what lies above its cut.
  detached,
  /// The catch-up reading.
  catching_up,
};

std::string to_string(lane_mode x);

/// What reports call a lane of which only the row is known: it is halted, by
/// whatever node.
inline constexpr std::string_view lane_row_kind = "millrace.lane";

/// A lane went from one mode to another; for logs.
struct lane_change {
  std::size_t lane = 0;
  lane_mode from = lane_mode::inactive;
  lane_mode to = lane_mode::inactive;

  /// Where its next batch begins.
  offset cut;
};

/// Why a partition is not read until somebody acts.
enum class partition_halt : uint8_t {
  none,
  /// The log ends before what is durable: the topic was truncated.
  truncated,
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
  /// Not for this reading: the catch-up one is not read beyond the main one,
  /// and that not beyond a barrier.
  beyond,
};

/// A lane whose events were deleted before they were written.
struct lost_lane {
  std::size_t lane = 0;

  /// Where it would have to go on.
  offset effective;
  std::string reason;
};

/// A range that goes to a lane.
struct cut_batch {
  offset_range range;
  rewind number;
};

} // namespace millrace
