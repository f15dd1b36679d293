#pragma once

// A line of a recorded topic: one JSON object with what Kafka had of a record.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

struct recorded_line {
  /// Nothing: a null in Kafka.
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::string>> headers;

  /// Milliseconds since 1970.
  std::optional<int64_t> timestamp_ms;
  std::optional<int32_t> partition;
};

/// Reads such lines:
///
///     {"partition": 0, "timestamp": 1795234598860,
///      "headers": [["event-type", "Order"]], "key_b64": "…", "value_b64": "…"}
///
/// Every member may be missing or null; others are ignored.
class recorded_line_reader {
public:
  recorded_line_reader();
  ~recorded_line_reader();

  /// Behind `line` there must be `line_source::padding` readable bytes. The
  /// record lives until the next call; otherwise a sentence that says what is
  /// wrong with the line.
  std::expected<const recorded_line*, std::string> read(std::string_view line);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace millrace
