#pragma once

// A Kafka record as the decoder sees it: views into the client's memory.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace millrace {

struct header_view {
  std::string_view name;
  std::optional<std::string_view> value = {};
};

/// Reads a record's headers when somebody wants them. Most records are never
/// asked: only programs with a `header(…)` and rejects do.
class header_loader {
public:
  virtual ~header_loader() = default;

  /// The headers in order; valid as long as the record is.
  virtual std::span<const header_view> load() = 0;
};

/// Valid only while the client holds the record's memory.
struct record_view {
  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;

  /// Milliseconds since 1970, or -1 when the record has no timestamp.
  int64_t timestamp_ms = -1;

  /// A null key or value is not an empty one.
  std::optional<std::string_view> key = {};
  std::optional<std::string_view> value = {};

  /// Headers that are read already. Ignored when `lazy_headers` is set.
  std::span<const header_view> headers = {};

  /// Asked at most once per record, and only when headers are needed.
  header_loader* lazy_headers = nullptr;
};

} // namespace millrace
