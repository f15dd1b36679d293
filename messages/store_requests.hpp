#pragma once

// What actors ask of the store beside flushes. Plain data without CAF.

#include "messages/ids.hpp"
#include "messages/lane_row.hpp"
#include "messages/partition_view.hpp"
#include "messages/waiting.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Rule 11. Answered with the row after the takeover.
struct takeover_request {
  lane_id lane;
  uuid owner;
  /// Name of the node; for people, and for the placement to come.
  std::string node;
};

/// Rules 2, 18, 21.
struct load_request {
  lane_id lane;
  /// After a flush in doubt: waits for a transaction that still holds the
  /// row, and ends it when it does not go away.
  bool for_update = false;
};

/// Writes down that a lane halts, so that consumers stop feeding it and its
/// neighbours go on. Changes nothing unless (epoch, owner) still hold the row.
/// Answered with the row as it is then.
struct halt_request {
  lane_id lane;
  millrace::epoch epoch;
  uuid owner;
  std::string reason;
};

/// Rule 3: the log has no longer what a lane needs next. Halts the lane unless
/// it has moved on since. Answered with the row as it is then.
struct retention_halt_request {
  lane_id lane;
  slot at;

  /// The lane's effective offset at the slot, as it was seen.
  offset effective;
  std::string reason;
};

// -- boot ---------------------------------------------------------------------

struct boot_partition {
  partition number;
  /// Where reading starts if the partition has no floor row yet.
  offset start;
  /// Instead of it, if this boot is the pipeline's first one.
  std::optional<offset> first_start{};
};

struct boot_topic {
  uuid id;
  std::string name;
  std::vector<boot_partition> partitions;
  /// As the table spells it: verify, allow or strict.
  std::string gaps = "verify";
};

struct boot_tenant {
  std::string name;
  millrace::shape shape;
};

/// A pipeline that makes up for what another one has not written (rule 25).
struct boot_backfill {
  /// That one.
  std::string of;

  /// Rows depend on which event comes first, so that one must not go on before
  /// the backfill has come to its end.
  bool order_matters = false;
};

/// Rule 1: inserts what is missing of a pipeline's rows and reads back what
/// stands there. Asking twice, or from two nodes at once, does no harm.
///
/// Nothing is inserted for a topic of a name that is stored with another id:
/// it was deleted and made again, and somebody has to decide what that means.
struct boot_request {
  std::string pipeline;

  /// Of everything that decides lanes and writes. `other_map` when another one
  /// is stored (rule 25).
  uint64_t map_fingerprint = 0;

  /// Lanes per tenant.
  int32_t lanes = 1;
  std::vector<boot_tenant> tenants;
  std::vector<boot_topic> topics;

  /// That it writes, by name.
  std::vector<std::string> tables;
  std::optional<boot_backfill> backfill;

  /// Unset: it takes questions to Kafka to say where a first boot begins, so
  /// nobody has asked yet. Such a boot changes nothing if it is the pipeline's
  /// first one, and is answered with `no_start`.
  bool starts_known = true;

  /// Write a changed shape into the lane rows, which fences batches of the
  /// old one. Without it a changed shape is refused (rule 26).
  bool adopt_shape = true;
};

struct booted_partition {
  partition_id source;
  std::string topic;
  slot at;
  offset floor;
  bool halted = false;
};

struct booted_lane {
  lane_id lane;
  lane_state state = lane_state::active;
  millrace::shape shape;
};

/// Records that a backfill cannot make up for: they were read once, and had
/// gone from Kafka when it began.
struct backfill_gap {
  std::string topic;
  partition number;
  offset_range range;
};

struct boot_result {
  millrace::map_version map_version;
  /// By slot; also partitions that the request did not name.
  std::vector<booted_partition> partitions;
  /// In (tenant, shard) order; also lanes that the request did not name.
  std::vector<booted_lane> lanes;

  /// Of a backfill that begins with this boot.
  std::vector<backfill_gap> lacking;
};

// -- partitions ---------------------------------------------------------------

/// Rule 2: answered with all lanes in (tenant, shard) order and the floor.
struct view_request {
  std::string pipeline;
  partition_id source;
};

/// Section 3. Every touched lane is named by its `id`.
struct floor_request {
  std::string pipeline;
  partition_id source;
  floor_act act;

  /// Rule 9c: evaluate the same conditions, change nothing.
  bool dry_run = false;

  /// Rule 9c: also refuse when an active lane's effective offset is below.
  std::optional<offset> active_not_below;
};

} // namespace millrace
