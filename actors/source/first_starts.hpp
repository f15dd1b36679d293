#pragma once

// Where a pipeline begins, decided without Kafka, actors and PostgreSQL (rule 1
// of protocol.md).

#include "actors/source/discovery.hpp"
#include "config/pipeline.hpp"
#include "messages/ids.hpp"
#include "messages/store_requests.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// What the configuration says.
struct start_rule {
  start_config start;
  std::vector<start_offset> offsets;

  /// Whether Kafka must be asked for more than the logs' ends to follow it.
  bool needs_questions() const noexcept {
    return !offsets.empty() || start.from == start_position::instant
           || start.from == start_position::group;
  }
};

/// A partition as Kafka has it.
struct partition_log {
  std::string topic;
  partition number;

  /// The first offset that is still there, and the one behind the last that a
  /// committed read can see.
  offset low;
  offset high;

  /// With an instant: the first record of it or after it, if there is one.
  std::optional<offset> at_instant{};

  /// With a group: where it goes on, if it has committed an offset.
  std::optional<offset> next_of_group{};
};

/// What is known at the pipeline's first start.
struct start_survey {
  topic_survey topics;

  /// All partitions of all topics.
  std::vector<partition_log> logs;

  bool group_known = false;
  int64_t now_ms = 0;
};

/// The first offset to read of each log, in their order; or a text that says
/// everything that is wrong, where, and how to mend it.
///
/// A partition without records has one place to begin, also where a group has
/// committed nothing. With an instant or a group, every topic that is named
/// must be there: one that is found later is read from its first record, which
/// somebody else may have read already.
std::expected<std::vector<offset>, std::string>
first_starts(const start_rule& rule, const start_survey& seen);

/// Records that a backfill does not make up for, and why.
struct lacking_records {
  offset_range range;

  /// They lie before its `start`; else Kafka does not have them any more.
  bool chosen = false;
};

/// The parts of what a backfill lacks that began with this request, in their
/// order.
std::vector<lacking_records> judge_gap(const backfill_gap& gap,
                                       const boot_request& asked);

} // namespace millrace
