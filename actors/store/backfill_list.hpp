#pragma once

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// How far a backfill is in one partition.
struct backfill_partition {
  std::string topic;
  partition number;

  /// Where it began.
  offset begin;

  /// It lacks nothing below.
  offset floor;

  /// Where it ends; as long as it follows, how far it may read now.
  offset until;

  /// Records that it cannot make up for: they had gone from Kafka.
  std::optional<offset_range> lacks;

  /// Events that wait.
  int64_t waiting = 0;

  /// Records between what it has and where it ends. Offsets, as Kafka counts.
  int64_t behind() const noexcept {
    return floor < until ? until - floor : 0;
  }
};

struct backfill_status {
  std::string pipeline;

  /// The one that it makes up for.
  std::string of;
  std::vector<std::string> tables;

  /// It is known where it ends; else it follows the other one.
  bool ends = false;

  /// The other one waits for it.
  bool holds = false;

  /// By slot, of topics that are read.
  std::vector<backfill_partition> partitions;

  bool done() const;

  /// Of all partitions.
  int64_t behind() const;
};

/// All backfills of a database, by name, of one snapshot.
store_result<std::vector<backfill_status>> list_backfills(connection& conn);

} // namespace millrace
