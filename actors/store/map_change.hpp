#pragma once

#include "actors/store/backfill_rows.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/lane_admin.hpp"
#include "actors/store/tenant_move.hpp"
#include "actors/store/waiting_move.hpp"
#include "messages/store_requests.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// The map of a pipeline as the database has it.
struct stored_map {
  map_version version;
  uint64_t fingerprint = 0;
  int32_t lanes = 0;

  /// That have lanes, by name; `_unrouted` among them.
  std::vector<std::string> tenants;
};

/// The map that a pipeline shall have.
struct new_map {
  std::string pipeline;
  uint64_t fingerprint = 0;

  /// Lanes per tenant.
  int32_t lanes = 1;

  /// With the shape of their tables; `_unrouted` among them.
  std::vector<boot_tenant> tenants;

  /// That it writes, by name.
  std::vector<std::string> tables{};

  /// Of this pipeline.
  std::vector<map_backfill> backfills{};
};

/// A partition on its way to the barrier.
struct barrier_progress {
  std::string topic;
  partition number;
  offset floor;

  /// The furthest offset that some lane has, if the floor is below it.
  offset furthest;

  /// No lane is beyond the floor: all stand at one offset.
  bool ready() const noexcept {
    return furthest <= floor;
  }
};

/// How a planned change gets on.
struct change_progress {
  /// False when the deadline passed or somebody ended it.
  bool planned = false;

  /// Of topics that are read.
  std::vector<barrier_progress> partitions;

  /// Lanes that are not active.
  std::vector<lane_id> stopped;

  bool ready() const;
};

/// What a switch did.
struct map_switch {
  map_version version;

  /// Where the new map begins.
  std::vector<barrier_progress> barrier;
  int64_t lanes_added = 0;
  int64_t lanes_removed = 0;
  moved_waiting waiting;

  /// By the new map.
  std::vector<ended_backfill> backfills;
};

/// Changes which lane and which writes an event gets (rule 25).
///
/// A change is planned; consumers see the plan and stop reading; floors rise to
/// where they stopped. Once no lane is beyond its partition's floor, all lanes
/// stand at one offset of each partition, and that is the barrier: the switch
/// locks floors and lanes, looks at that once more, and writes the new map. It
/// is exact whether anybody has stopped or not; the plan only makes it
/// possible. Waiting events go to the lanes that the new map gives them, in
/// the same transaction.
///
/// Errors: `refused` with a sentence.
class map_changes {
public:
  /// The connection outlives this.
  map_changes(connection& conn, admin_note note);

  /// Nothing when the pipeline never ran on this database.
  store_result<std::optional<stored_map>> stored(const std::string& pipeline);

  /// Records the plan, which counts for `lease` from now on, by the database's
  /// clock. Refused when the stored map is not `from`, when another plan counts
  /// still, and when a lane or partition is halted.
  ///
  /// A database that is fenced has no consumers: there it is a formality.
  store_result<uuid> plan(const new_map& to, map_version from,
                          std::chrono::milliseconds lease);

  /// Looks, and makes the plan count for `lease` from now on if it still does.
  store_result<change_progress> renew(const uuid& change,
                                      const std::string& pipeline,
                                      std::chrono::milliseconds lease);

  /// One transaction. `retry` when floors or lanes have moved meanwhile or are
  /// locked: look at the progress again. Refused when waiting events would
  /// lose their order, see `waiting_move`.
  store_result<map_switch> switch_over(const uuid& change, const new_map& to,
                                       const waiting_remap& remap,
                                       const switch_moves& moves = {});

  /// How many events of the pipeline wait.
  store_result<int64_t> waiting(const std::string& pipeline);

  /// Consumers go on with the old map. False when it was not planned any more.
  store_result<bool> abort(const uuid& change, const std::string& why);

private:
  connection& conn_;
  admin_note note_;
};

} // namespace millrace
