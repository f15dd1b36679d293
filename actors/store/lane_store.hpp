#pragma once

#include "actors/store/connection.hpp"
#include "messages/store_requests.hpp"

#include <chrono>

namespace millrace {

/// The acts on lane and floor rows that are not flushes. Each call blocks for
/// the time of its statements; the server's timeouts bound them.
///
/// Errors: `unavailable` closes the connection. Where a COMMIT went
/// unanswered, asking again is safe for every one of these calls.
class lane_store {
public:
  /// The connection outlives the store. `row_lock_timeout`: see
  /// session_config.
  lane_store(connection& conn, std::chrono::milliseconds row_lock_timeout);

  /// Rule 1, in one transaction. `other_map` when the stored map is another
  /// one; `refused` when a topic of the same name has another uuid, or when the
  /// shape changed and may not be adopted; `no_start` when it is the first one
  /// and does not say where to begin.
  store_result<boot_result> boot(const boot_request& x);

  /// Rule 11. Ends the transaction of another writer that keeps the row locked
  /// beyond the row lock timeout, and tries once more. `no_lane`,
  /// `lane_inactive`, or `retry` when the row stays locked.
  store_result<lane_row> takeover(const takeover_request& x);

  store_result<lane_row> halt(const halt_request& x);
  store_result<lane_row> halt(const retention_halt_request& x);

  /// Row and floors from one snapshot. With `for_update` it waits for the row
  /// like a takeover, and reads after it has the lock: a plain read could
  /// still see what a commit in doubt is about to replace.
  store_result<lane_row> load(const load_request& x);

  /// A lane's waiting events with their records.
  store_result<waiting_answer> waiting(const waiting_request& x);

  /// Rule 2: one statement, one snapshot. `no_partition` without a floor row;
  /// `failed` when a lane lacks the partition's slot.
  store_result<partition_view> view(const view_request& x);

  /// Section 3. Fails closed: a lane that is missing or lacks the slot
  /// refuses. An accepted act has written a new token.
  store_result<floor_answer> raise(const floor_request& x);

private:
  store_result<lane_row> read_row(const lane_id& lane);
  store_result<lane_row> with_waiting(store_result<lane_row> row);

  /// Runs `body` in a transaction that waits for row locks; ends writers that
  /// hold the lane's row too long.
  template <class Body>
  store_result<lane_row> with_row(const lane_id& lane, Body body);

  store_result<void> end_writers(const lane_id& lane);

  connection& conn_;
  std::chrono::milliseconds row_lock_timeout_;
};

} // namespace millrace
