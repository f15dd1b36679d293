#pragma once

#include "actors/store/backup_facts.hpp"
#include "actors/store/incarnation.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

/// What Kafka has of a partition.
struct known_log {
  /// Of the topic that has the name now; nothing: there is none.
  std::optional<uuid> topic;

  /// Nothing: it has no such partition.
  std::optional<offset_range> range;
};

enum class loss_kind : uint8_t {
  /// Records that the lane lacks have been deleted.
  expired = 1,
  /// The log ends before what the lane has.
  truncated,
  /// Another topic has the name.
  recreated,
  /// There is no topic, or no such partition.
  gone,
};

std::string_view to_string(loss_kind x);

/// A lane of a backup that cannot go on from where it stood.
struct log_loss {
  lane_id lane;
  std::string topic;
  partition_id source;
  loss_kind kind = loss_kind::expired;

  /// The record that it would read next.
  offset wanted;

  /// The bounds of the log, where there is one.
  std::optional<offset_range> log;

  friend bool operator==(const log_loss&, const log_loss&) = default;
};

/// The partitions that lanes go on reading, each topic and number once.
std::vector<std::pair<std::string, partition_id>>
partitions_read(const database_facts& x);

/// Answers for a partition of that topic's name.
using log_lookup
  = std::function<known_log(const std::string& topic, partition number)>;

/// All that Kafka does not have any more, by partition and lane.
std::vector<log_loss> losses_of(const database_facts& x, const log_lookup& log);

/// What of it can be passed over: expired records. The others stop the
/// partition, where an operator has to decide.
std::vector<lost_range> ranges_of(const std::vector<log_loss>& losses);

/// A table: topic, partition, lane, wanted, lowest, and what happened.
std::string losses_text(const std::vector<log_loss>& losses);

} // namespace millrace::cli
