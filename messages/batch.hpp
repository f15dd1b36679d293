#pragma once

// What travels from a PARTITION CONSUMER to a LANE WRITER. Plain data: the
// decoder fills it, the lane core cuts it, a SESSION copies it out.

#include "messages/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Canonical hash of a row's key columns: equal keys have equal hashes, and
/// 128 bits make an accident less likely than a broken disk. Equal means what
/// PostgreSQL's default equality means (1.0 = 1.00, -0 = 0).
struct key_hash {
  uint64_t high = 0;
  uint64_t low = 0;

  friend auto operator<=>(const key_hash&, const key_hash&) = default;
};

/// The rows that one write of the pipeline adds to a batch, in offset order.
///
/// `bytes` holds COPY binary tuples (int16 field count, then per field an
/// int32 length and the value, all big endian), without header and trailer.
/// Row i is bytes [row_ends[i-1], row_ends[i]) and comes from the record at
/// offsets[i]; one record may have made several rows.
struct row_block {
  std::vector<std::byte> bytes;
  std::vector<uint32_t> row_ends;
  std::vector<int64_t> offsets;

  /// One per row where the write has key columns, else empty.
  std::vector<key_hash> keys;

  std::size_t rows() const noexcept {
    return row_ends.size();
  }

  void clear() noexcept {
    bytes.clear();
    row_ends.clear();
    offsets.clear();
    keys.clear();
  }
};

/// Where an event failed.
enum class reject_stage : uint8_t {
  /// The payload is not what the pipeline's format says.
  decode = 1,
  /// A route, a condition or a column could not be computed.
  map,
  /// PostgreSQL refused the row.
  store,
  /// It has waited for a row for as long as it may, or could not wait.
  waiting,
};

std::string to_string(reject_stage x);

/// An event that cannot be written. Becomes one row of `dead_letter` in the
/// same transaction as its neighbours' rows.
struct reject {
  offset at;
  reject_stage stage = reject_stage::decode;

  /// Five characters when PostgreSQL said no, else empty.
  std::string sqlstate;

  /// For a person: what is wrong and where in the payload.
  std::string reason;

  /// The record as Kafka had it. A null key or value is not an empty one.
  bool has_key = false;
  bool has_value = false;
  std::string key;
  std::string value;

  /// Headers in order, each as int32 length + name, int32 length + value;
  /// length -1 for a null value; big endian.
  std::string headers;

  /// The record's timestamp in milliseconds since 1970, or -1.
  int64_t timestamp_ms = -1;

  /// Where `value` is only the beginning: length and SHA-256 (32 bytes) of the
  /// record's whole value. -1 and empty where it is all there.
  int64_t value_bytes = -1;
  std::string value_sha256;

  /// The lane halts in front of it instead of writing a dead letter.
  bool halts = false;
};

/// A half-open offset range of one partition for one lane, with its rows.
///
/// Invariant: every event of the lane in [from, to) is in `blocks`, in
/// `rejects`, maybe beside rows that are made always, or in `filtered`.
struct batch {
  lane_id lane;
  partition_id source;

  /// The topic's name, for messages to people only.
  std::string topic;

  offset_range range;
  millrace::map_version map_version;
  millrace::shape shape;
  millrace::rewind rewind;

  /// Indexed by the write's number in the pipeline's program.
  std::vector<row_block> blocks;
  std::vector<reject> rejects;

  /// Events of the lane in the range that a condition left out.
  int64_t filtered = 0;

  /// Written events whose bid is above their ask.
  int64_t crossed = 0;

  /// Events of the lane in the range: written, rejected or filtered.
  int64_t events = 0;

  /// Record timestamps in milliseconds; 0 when there was no event.
  int64_t oldest_timestamp_ms = 0;
  int64_t newest_timestamp_ms = 0;
};

/// Payload bytes held by a batch; what credits count.
std::size_t size_bytes(const batch& x);

/// Smallest offset of any row or reject, or nothing.
std::optional<offset> first_event(const batch& x);

/// Shared because a consumer keeps what is not yet acknowledged and a writer
/// queues it at the same time; nobody changes it once it is sent.
using batch_ptr = std::shared_ptr<const batch>;

} // namespace millrace
