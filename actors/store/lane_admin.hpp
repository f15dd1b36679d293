#pragma once

#include "actors/store/admin_action.hpp"
#include "actors/store/connection.hpp"
#include "messages/lane_row.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Which lanes; what is not set does not narrow.
struct lane_filter {
  std::optional<std::string> pipeline;
  std::optional<std::string> tenant;
  std::optional<lane_state> state;

  /// Parked and halted ones.
  bool stopped = false;
};

/// How far a lane is in one partition of a topic that is read.
struct lane_progress {
  std::string topic;
  partition_id source;
  slot at;
  offset effective;

  /// Of a backfill: nothing from there on is for it.
  std::optional<offset> until{};
};

/// A lane's row as a person wants to see it.
struct lane_status {
  lane_id lane;
  lane_state state = lane_state::active;
  millrace::epoch epoch;

  /// Nothing before the first takeover.
  std::optional<uuid> owner;
  std::string node;
  seq next_seq;
  std::string reason;

  /// RFC 3339, in UTC.
  std::string updated;

  /// Events that wait for rows which are not there yet.
  int64_t waiting = 0;

  /// By slot.
  std::vector<lane_progress> partitions;
};

/// A partition by the name of its topic.
struct partition_name {
  std::string pipeline;
  std::string topic;
  partition number;
};

struct halted_partition {
  partition_name name;
  offset floor;
  std::string reason;
  std::string updated;
};

/// A lane passes over offsets `[from, to)` of a partition.
struct lane_skip {
  lane_id lane;
  std::string topic;
  partition_id source;
  slot at;
  offset_range range;

  /// The row as the operator saw it.
  millrace::epoch epoch;
};

/// The topic that is read in place of the one of the same name.
struct topic_adoption {
  std::string pipeline;
  std::string topic;
  uuid id;

  /// By partition.
  std::vector<offset> starts;
};

/// What operators do to lanes and partitions (`millrace lanes …`). Needs no
/// node, and bears one that runs: writers are fenced by a new epoch wherever
/// their view of the row would no longer hold.
///
/// Every change is one transaction with its row in `millrace.admin_action`.
/// Errors: `refused` when the row is not in a state for it, with a sentence
/// that says so; `no_lane`, `no_partition`; `retry` when a transaction keeps
/// the row locked.
class lane_admin {
public:
  /// The connection outlives this.
  lane_admin(connection& conn, admin_note note);

  // -- looking ----------------------------------------------------------------

  /// In (pipeline, tenant, shard) order, with offsets of one snapshot.
  store_result<std::vector<lane_status>> list(const lane_filter& which);

  store_result<lane_status> find(const lane_id& lane);

  /// Of topics that are read.
  store_result<std::vector<halted_partition>>
  halted_partitions(const std::optional<std::string>& pipeline);

  // -- lanes ------------------------------------------------------------------

  /// Makes a halted or parked lane active.
  store_result<void> resume(const lane_id& lane);

  /// Halts an active lane; its writer is fenced at its next flush.
  store_result<void> halt(const lane_id& lane);

  /// Moves a stopped lane forward past records. Refused unless the lane still
  /// stands at `range.from` under `epoch`, and where `range` is empty.
  store_result<void> skip(const lane_skip& x);

  // -- partitions -------------------------------------------------------------

  store_result<void> resume(const partition_name& which);

  /// Retires the topic of that name and puts the new one in its place, with
  /// slots of its own in all lanes. Returns the id of the retired topic.
  store_result<uuid> adopt(const topic_adoption& x);

private:
  store_result<void> change_lane(const lane_id& lane, const std::string& update,
                                 const sql_params& params,
                                 const std::string& otherwise);

  connection& conn_;
  admin_note note_;
};

} // namespace millrace
