#pragma once

#include "actors/coordinator/lease_store.hpp"
#include "actors/coordinator/partition_plan.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace {

/// What is done about partitions of one database, each step in a transaction
/// under the lease with a bounded wait for its locks. Only the transaction of
/// an archive is a long one, and nobody else has use for its table. Blocks.
///
/// Errors: `refused` with a sentence about the table, or what PostgreSQL said.
class partition_store {
public:
  /// These outlive it. The lock waits are set for the session. `by` is whom
  /// archives name.
  partition_store(connection& conn, const held_lease& lease,
                  const std::atomic<bool>& stop, std::string by);

  /// Makes this the only session that removes or makes partitions here, and
  /// sets how long a lock is waited for. False when another one is at it.
  store_result<bool> take(std::chrono::milliseconds lock_timeout);

  store_result<void> make_default(const partition_policy& policy,
                                  const std::string& name);
  store_result<void> make(const partition_policy& policy,
                          const known_table& table, const new_partition& what);

  /// Detaches, puts the rows into a file where the policy has a folder for
  /// them, and drops. Without a default partition nobody is locked out; an
  /// interrupted removal is noted, and `finish` goes on with it. The manifest
  /// of the archive; empty: there is none.
  store_result<std::filesystem::path> remove(const partition_policy& policy,
                                             const known_table& table,
                                             const old_partition& what);

  /// Brings a removal to its end whose partition is detached, or nearly so. Why
  /// an archive could not be written is noted, and the partition stays.
  store_result<std::filesystem::path> finish(const partition_policy& policy,
                                             const begun_removal& begun);

private:
  store_result<void> transaction(const std::vector<std::string>& statements);

  /// The partition's number, and in the same transaction what follows.
  store_result<int64_t> note(const partition_policy& policy,
                             const old_partition& what,
                             const std::vector<std::string>& statements);
  store_result<void> detach(const partition_policy& policy,
                            const old_partition& what, bool pending);
  store_result<std::filesystem::path> archive(const partition_policy& policy,
                                              const begun_removal& begun);

  connection& conn_;
  const held_lease& lease_;
  const std::atomic<bool>& stop_;
  std::string by_;
};

} // namespace millrace
