#pragma once

#include "actors/source/kafka.hpp"

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A record that owns its bytes. A null key or value is not an empty one.
struct kafka_record {
  offset at;
  int64_t timestamp_ms = -1;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

/// Bytes of key, value and headers.
std::size_t size_bytes(const kafka_record& x);

/// All that a committed read sees from `from` up to `to`, in order.
struct kafka_stretch {
  offset from;
  offset to;
  std::vector<kafka_record> records;
};

/// A second pair of eyes: reads ranges of a log by a consumer of its own, with
/// connections of its own, so that a fault of the first reading is not simply
/// repeated. Used to verify holes (protocol.md rule 4c) and to fetch the raw
/// bytes of single records (rule 16).
///
/// Every call blocks, at the longest for the time given. One thread at a time.
class kafka_reader {
public:
  /// `properties` as for a kafka_consumer.
  static std::expected<kafka_reader, kafka_error>
  open(const kafka_properties& properties);

  kafka_reader(kafka_reader&&) noexcept;

  kafka_reader& operator=(kafka_reader&&) noexcept;

  ~kafka_reader();

  /// The offsets in [from, to) that a committed read sees, in order. Fails
  /// with `timed_out` unless the log was seen to go on at or beyond `to` (a
  /// record there, or the end of the partition), and with
  /// `offset_out_of_range` when `from` is no longer in the log. A range of
  /// more than `max_range` offsets is refused.
  std::expected<std::vector<int64_t>, kafka_error>
  read_offsets(const kafka_partition& which, offset from, offset to,
               std::chrono::milliseconds timeout);

  /// The record at exactly this offset, or nothing when a committed read does
  /// not see one there.
  std::expected<std::optional<kafka_record>, kafka_error>
  read_record(const kafka_partition& which, offset at,
              std::chrono::milliseconds timeout);

  /// The same with what came from the broker along with it: at least the one
  /// offset, and about `bytes` at most.
  std::expected<kafka_stretch, kafka_error>
  read_stretch(const kafka_partition& which, offset from, std::size_t bytes,
               std::chrono::milliseconds timeout);

  static constexpr int64_t max_range = 10'000'000;

private:
  struct impl;

  explicit kafka_reader(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
