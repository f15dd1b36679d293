#pragma once

// The words of a lane's core.

#include "messages/ids.hpp"
#include "messages/lane_reply.hpp"
#include "messages/waiting.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace {

/// Limits of one lane. Checked by the configuration before any actor starts.
struct lane_limits {
  /// Close a flush once it holds this many bytes of rows.
  std::size_t flush_bytes = std::size_t{8} << 20;

  /// What takes longer is followed by smaller flushes: where triggers do much,
  /// bytes say little, and a flush holds its locks until it is committed.
  std::chrono::microseconds flush_time = std::chrono::seconds{1};

  /// Drop further batches while this many bytes wait. The consumers' credits
  /// keep a lane below it; resync sends again what was dropped.
  std::size_t queue_bytes = std::size_t{64} << 20;

  /// Halt when more than this share of the events is rejected; 1 never does.
  double max_reject_ratio = 0.2;

  /// What would have to wait beyond these becomes a dead letter.
  std::size_t waiting_events = 10'000;
  int64_t waiting_bytes = int64_t{64} << 20;
};

/// Stands for whoever sent a batch; the shell knows who that is.
using origin = strong<struct origin_tag, uint32_t>;

/// An answer, and to whom.
struct addressed_reply {
  lane_reply reply;
  origin to;
};

/// PostgreSQL's words about rows that it refused.
struct data_refusal {
  std::string sqlstate;

  /// For logs and the lane's row: without the contents of rows.
  std::string message;

  /// For the dead letter: all of it.
  std::string reason;
};

/// Why an event cannot be written yet, by PostgreSQL's word.
struct lacking {
  missing_row policy = missing_row::wait;
  std::string sqlstate;
  std::string reason;
};

/// A record whose bytes a dead letter needs.
struct wanted_record {
  partition_id source;
  offset at;
};

/// What a flush that lacks parents can do before they come.
enum class orphan_verdict : uint8_t {
  /// Something comes before the first orphans: it is flushed next.
  some,
  /// Nothing does.
  nothing,
  /// Others are written, but one orphan has been the first of its partition
  /// for many flushes.
  stuck,
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
  /// Read the record `wanted()` once more; answer with `fetched` or
  /// `step_failed`.
  fetch,
  /// Read waiting events from `wanted_waiting()` on and map them again; answer
  /// with `waiting_read` or `step_failed`.
  read_waiting,
};

/// Why a lane does not move until somebody acts.
enum class lane_halt : uint8_t {
  none,
  /// The row says halted or parked.
  by_row,
  /// There is no row for this lane.
  row_missing,
  /// PostgreSQL refused what no dead letter can mend.
  data,
  /// The claim is refused again and again although nothing differs.
  stuck,
  /// Too many events would become dead letters.
  rejects,
  /// A record is above the limit, and the configuration wants a halt then.
  oversized,
};

std::string to_string(lane_halt x);

} // namespace millrace
