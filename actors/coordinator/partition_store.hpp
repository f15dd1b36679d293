#pragma once

#include "actors/coordinator/lease_store.hpp"
#include "actors/coordinator/partition_plan.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace millrace {

/// What is done about partitions of one database, each step in a short
/// transaction under the lease with a bounded wait for its locks. Blocks.
///
/// Errors: `refused` with a sentence about the table, or what PostgreSQL said.
class partition_store {
public:
  /// These outlive it. The lock waits are set for the session.
  partition_store(connection& conn, const held_lease& lease);

  /// Makes this the only session that removes or makes partitions here, and
  /// sets how long a lock is waited for. False when another one is at it.
  store_result<bool> take(std::chrono::milliseconds lock_timeout);

  store_result<void> make_default(const partition_policy& policy,
                                  const std::string& name);
  store_result<void> make(const partition_policy& policy,
                          const known_table& table, const new_partition& what);

  /// Detaches and drops. Without a default partition nobody is locked out; an
  /// interrupted removal is noted, and `finish` goes on with it.
  store_result<void> remove(const partition_policy& policy,
                            const known_table& table,
                            const old_partition& what);

  /// Brings a removal to its end whose partition is detached, or nearly so.
  store_result<void> finish(const partition_policy& policy,
                            const begun_removal& begun);

private:
  store_result<void> transaction(const std::vector<std::string>& statements);
  store_result<void> remove_concurrently(const partition_policy& policy,
                                         const old_partition& what);

  connection& conn_;
  const held_lease& lease_;
};

} // namespace millrace
