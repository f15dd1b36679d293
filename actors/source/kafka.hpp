#pragma once

// The words that Kafka's clients share. No header of librdkafka is seen here:
// it is included by the sources of the adapter alone.

#include "messages/ids.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// Properties of librdkafka by their own names, `bootstrap.servers` first of
/// all. Later entries win over earlier ones.
using kafka_properties = std::vector<std::pair<std::string, std::string>>;

/// What is wrong with a property, if librdkafka does not know it or does not
/// take the value. Never tells the value.
std::optional<std::string> kafka_property_fault(const std::string& name,
                                                const std::string& value);

/// What can go wrong with Kafka, by what it means to us.
enum class kafka_errc : uint8_t {
  /// The offset is below what the log still has or beyond what it has.
  offset_out_of_range = 1,
  /// Topic or partition is unknown to the cluster.
  topic_missing,
  /// The topic exists already.
  topic_exists,
  /// The cluster knows us and says no.
  not_authorized,
  /// The cluster does not accept our credentials.
  not_authenticated,
  /// No broker answers, or the connection broke.
  unreachable,
  /// No answer within the time given.
  timed_out,
  /// A property is unknown, has a value out of range, or is one of those that
  /// the protocol sets itself.
  bad_config,
  /// A checksum is wrong or a record cannot be decompressed.
  corrupt,
  /// The client instance is broken for good.
  fatal,
  /// Anything else; the message tells.
  other,
};

/// What to do about it.
enum class kafka_action : uint8_t {
  /// It may heal by itself: librdkafka goes on, a call can be made again.
  retry = 1,
  /// Stop this partition and say so: going on would lose or invent records.
  halt,
  /// The client is of no use any more: end the actor or the process.
  quit,
};

std::string to_string(kafka_errc x);

std::string to_string(kafka_action x);

/// A failure as a value. The message names topic and partition where there are
/// any, and how to mend it where we know.
struct kafka_error {
  kafka_errc code = kafka_errc::other;
  kafka_action action = kafka_action::retry;

  /// librdkafka's own number, for logs.
  int32_t native = 0;

  std::string message;
};

std::string to_string(const kafka_error& x);

/// One line of librdkafka's log. Severity as in syslog: 3 error, 4 warning, 6
/// info, 7 debug.
struct kafka_log_line {
  int severity = 6;
  std::string_view facility;
  std::string_view text;
};

/// Names one partition by its topic's name, as Kafka's fetches do.
struct kafka_partition {
  std::string topic;
  partition number;

  friend auto operator<=>(const kafka_partition&, const kafka_partition&)
    = default;
};

/// Who has what in a consumer group, as its coordinator tells.
struct kafka_group_shares {
  /// Whether it has members, or has had some lately.
  bool known = false;

  /// No sharing out is under way.
  bool stable = false;

  /// What the members have, of all topics.
  std::vector<kafka_partition> taken;

  /// Their names: `group.instance.id`, or the member's id where it has none.
  std::vector<std::string> members;
};

/// The bounds of a partition's log: `low` is the first offset it still has,
/// `high` the one after the last record that a committed read can see.
struct kafka_watermarks {
  offset low;
  offset high;

  friend bool operator==(const kafka_watermarks&, const kafka_watermarks&)
    = default;
};

} // namespace millrace
