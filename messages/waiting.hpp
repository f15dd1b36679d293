#pragma once

// Events that wait for rows which are not there yet (protocol.md, section 4).
// Plain data without CAF.

#include "messages/batch.hpp"
#include "messages/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What becomes of an event whose write lacks a row.
enum class missing_row : uint8_t { wait, reject, ignore };

/// What a lane must know of one write: block i of a batch is of trait i.
struct write_trait {
  /// Stands for the table; equal for all writes into it, and from one run of
  /// the program to the next.
  uint64_t table = 0;

  /// Makes rows: append and upsert.
  bool creates = true;

  missing_row on_missing = missing_row::wait;

  /// Made whatever becomes of the event's other writes.
  bool always = false;
};

using write_traits = std::vector<write_trait>;

/// A table's row as a waiting event keeps it in mind.
struct touched_row {
  /// Of table and key.
  key_hash row;

  /// The write waits for this very row: whoever makes it may pass.
  bool awaits = false;

  friend bool operator==(const touched_row&, const touched_row&) = default;
};

/// The row that a write touches.
key_hash row_of(const write_trait& write, const key_hash& key) noexcept;

/// As `millrace.waiting.touches` keeps them: 17 bytes each, one for `awaits`
/// and 16 of the hash, big endian.
std::string touches_text(const std::vector<touched_row>& x);

/// Text of another length yields what is whole of it.
std::vector<touched_row> parse_touches(std::string_view text);

/// A row of `millrace.waiting` without its record.
struct waiting_entry {
  seq number;

  /// Of key, headers and value.
  int64_t bytes = 0;
  std::vector<touched_row> touches;
};

/// An event that a flush puts aside.
struct waiting_letter {
  /// The record, and in `reason` and `sqlstate` what it waits for.
  reject record;
  std::vector<touched_row> touches;
};

/// A row of `millrace.waiting` with its record, on its way to a retry.
struct waiting_event {
  seq number;
  partition_id source;
  std::string topic;

  /// As it was put aside.
  reject record;

  /// Tables that its pipeline began to write behind it: no rows there.
  std::vector<std::string> leave_out{};

  /// It has waited for as long as it may.
  bool expired = false;

  /// For how long it has waited, by the database's clock.
  int64_t waited_ms = 0;
};

/// By what a program gives events their lanes and writes.
struct program_map {
  uint64_t fingerprint = 0;

  /// Per tenant.
  int32_t lanes = 1;
};

/// Asks for a lane's waiting events from `from` on, in the order in which they
/// were put aside, as many as `max_bytes` hold but at least one.
struct waiting_request {
  lane_id lane;
  seq from;
  int32_t max_events = 0;
  int64_t max_bytes = 0;

  /// Those that have waited so long are expired.
  int64_t keep_ms = 0;

  /// Of who asks. Where the pipeline has another one by now, nothing waits for
  /// him: another program has to write these events (rule 25).
  std::optional<program_map> map = {};
};

struct waiting_answer {
  std::vector<waiting_event> events;

  /// How many there are in all.
  int64_t count = 0;
};

} // namespace millrace
