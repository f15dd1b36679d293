#pragma once

#include "actors/decode/record.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::cli {

/// One record to try a mapping with.
struct sample_event {
  std::size_t line = 0;
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_ms = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

/// Reads lines, empty ones apart. A line is a payload, or a whole record:
///
///   {"headers":[["event-type","Order"]],"key":"k","value":{…},
///    "topic":"t","partition":0,"offset":7,"timestamp":1764727200000}
///
/// where `value` is needed, an object or null, and nothing else is there.
/// `key_b64` and `value_b64` hold bytes in base64. What a line does not say
/// comes from `other`; its offset is then the number of the record, from 0.
/// The error says what is wrong, with the line.
std::expected<std::vector<sample_event>, std::string>
read_samples(const std::string& file, const sample_event& other);

/// Calls `what` with the record that the sample stands for.
template <class Function>
auto with_record(const sample_event& x, const Function& what) {
  std::vector<header_view> headers;
  for (const auto& [name, value] : x.headers)
    headers.push_back({name, value});
  record_view record;
  record.topic = x.topic;
  record.partition = x.partition;
  record.offset = x.offset;
  record.timestamp_ms = x.timestamp_ms;
  record.key = x.key;
  record.value = x.value;
  record.headers = headers;
  return what(record);
}

} // namespace millrace::cli
