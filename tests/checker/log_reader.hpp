#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace millrace_check {

/// The check could not be made: nothing is known about the data.
struct cannot_check : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A record as the log has it. The views live within the callback.
struct raw_record {
  int32_t partition = 0;
  int64_t offset = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;

  /// In order, as int32 length and name, int32 length and value (-1: null),
  /// big endian.
  std::string_view headers;
};

/// The offsets [low, high) of a partition that a committed read can see.
struct log_range {
  int64_t low = 0;
  int64_t high = 0;
};

/// Reads a topic from end to end, with a consumer of its own. Throws
/// `cannot_check` when Kafka does not answer.
class log_reader {
public:
  log_reader(const std::string& bootstrap, std::string topic,
             const std::vector<std::pair<std::string, std::string>>& more);

  ~log_reader();

  /// The topic's id in its canonical form; empty when brokers have none.
  std::string topic_id();

  std::map<int32_t, log_range> ranges();

  /// Every record of these ranges, partitions interleaved.
  void read(const std::map<int32_t, log_range>& ranges,
            const std::function<void(const raw_record&)>& take);

  /// One record, or nothing when there is none at this offset.
  bool read_one(int32_t partition, int64_t offset,
                const std::function<void(const raw_record&)>& take);

private:
  struct impl;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace_check
