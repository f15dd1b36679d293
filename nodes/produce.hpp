#pragma once

#include "actors/source/kafka.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// Where the work stands; also the final account.
struct produce_stats {
  /// Records handed to the client, and their bytes (keys and values).
  int64_t records = 0;
  int64_t bytes = 0;

  /// Records that the brokers have acknowledged.
  int64_t delivered = 0;

  /// Whole readings of the input.
  int64_t passes = 0;

  /// Lines sent without a key although one was asked for: not JSON, not an
  /// object, or without the member.
  int64_t without_key = 0;

  /// Lines sent with the time of sending although a field was asked for.
  int64_t without_timestamp = 0;

  std::chrono::duration<double> elapsed{};

  /// Partitions that the topic has.
  int32_t partitions = 0;
};

/// What to replay, and how.
struct produce_config {
  kafka_properties properties;
  std::string topic;

  /// A file with one JSON document a line, the same compressed (`.xz`), or
  /// "-" for standard input. Lines are sent as they are, even those that are
  /// not JSON.
  std::string input;

  /// Lines are recorded records instead, see `recorded_line.hpp`. What follows
  /// here is not used then, but for headers, which are added.
  bool recorded = false;

  /// The member of the payload that becomes the record's key; empty: no key.
  /// Text gives its characters, anything else its JSON.
  std::string key;

  /// The same headers for every record.
  std::vector<std::pair<std::string, std::string>> headers;

  /// The member (RFC 3339, or a number of milliseconds since 1970) that
  /// becomes the record's timestamp; empty: the time of sending.
  std::string timestamp_field;

  /// Records per second; 0: as fast as it goes.
  double rate = 0;

  /// Readings of the input; 0: for ever.
  int64_t repeat = 1;

  /// Stop after so many records; 0: no limit.
  int64_t limit = 0;

  /// Partitions of the topic if it must be created; 0: it must be there.
  int32_t partitions = 0;

  /// Wait this long at most for a broker, and for the last acknowledgements.
  std::chrono::milliseconds timeout{30'000};

  /// Called about once per `progress_interval`.
  std::function<void(const produce_stats&)> on_progress;
  std::chrono::milliseconds progress_interval{1'000};
};

/// Names the first setting that makes no sense, or returns nothing.
std::optional<std::string> validate(const produce_config& config);

/// Replays the input into the topic: the work behind `millrace produce`. Blocks
/// until everything is acknowledged, or until `stop` is requested (what was
/// sent is waited for then, too). An error is a sentence for the user.
std::expected<produce_stats, std::string> produce(const produce_config& config,
                                                  std::stop_token stop = {});

/// `12,000 records, 10,000/s, 11,950 acknowledged`: one line for a terminal.
/// `before` is the account of the last line, for the rate.
std::string progress_line(const produce_stats& now,
                          const produce_stats& before);

} // namespace millrace
