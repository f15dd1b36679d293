#pragma once

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// How far a backfill is in one partition.
struct backfill_partition {
  std::string topic;
  partition number;

  /// Where it began, and below what it lacks nothing. Nothing where the
  /// backfill has not found the partition yet.
  std::optional<offset> begin;
  std::optional<offset> floor;

  /// Where it ends; as long as it follows, how far it may read now.
  offset until;

  /// Records that it cannot make up for: they had gone from Kafka.
  std::optional<offset_range> lacks;

  /// Events that wait.
  int64_t waiting = 0;

  /// Records between what it has and where it ends, as far as that is known.
  /// Offsets, as Kafka counts.
  int64_t behind() const noexcept {
    return floor && *floor < until ? until - *floor : 0;
  }

  /// It lacks nothing that it can make up for.
  bool complete() const noexcept {
    return floor && behind() == 0 && waiting == 0;
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

  /// Nothing of it is awaited or read any more.
  bool given_up = false;

  /// By slot, of topics that are read; then those that it has not found.
  std::vector<backfill_partition> partitions;

  /// It has come to its end everywhere. Not when it was given up.
  bool done() const;

  /// Something is still to come of it.
  bool open() const {
    return !given_up && !done();
  }

  /// Of all partitions, as far as it is known.
  int64_t behind() const;
};

/// All backfills of a database, by name, of one snapshot.
store_result<std::vector<backfill_status>> list_backfills(connection& conn);

/// Why no tenant of the pipeline may change its database now, and the way out;
/// nothing when one may. `configured` are the backfills of the pipeline that
/// the configuration has.
///
/// A backfill ends in each database where that one began to write the tables,
/// so a record's rows would be made by both backfills, or by none.
std::optional<std::string>
tenants_stay(std::span<const backfill_status> all, const std::string& pipeline,
             std::span<const std::string> configured = {});

} // namespace millrace
