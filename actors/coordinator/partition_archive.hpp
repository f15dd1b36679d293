#pragma once

#include "actors/coordinator/archive_manifest.hpp"
#include "actors/coordinator/lease_store.hpp"
#include "actors/coordinator/partition_plan.hpp"

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace {

/// Puts detached partitions into files and drops them. Blocks, for as long as
/// the rows need.
///
/// All of it is one transaction that has the table for itself: what is dropped
/// is what was read, and what was read is what the file holds, which is read
/// once more before. Files are on the disc under their names before the
/// transaction ends; one that is broken off anywhere leaves the table, and the
/// next one replaces what it left. An archive of another table is never
/// replaced, whatever its name: the second one gets a number.
///
/// Needs memory for one row and some buffers.
class partition_archive {
public:
  /// These outlive it. `by` is whom manifests name.
  partition_archive(connection& conn, const held_lease& lease,
                    const std::atomic<bool>& stop, std::string by);

  /// The manifest that was written, in the folder of the policy.
  ///
  /// Errors: `refused` with a sentence about the file, or what PostgreSQL said.
  store_result<std::filesystem::path> put_away(const partition_policy& policy,
                                               const begun_removal& what);

private:
  store_result<std::filesystem::path> within(const partition_policy& policy,
                                             const begun_removal& what);
  store_result<void> take(const begun_removal& what);
  store_result<archive_manifest> describe(const partition_policy& policy,
                                          const begun_removal& what);
  store_result<std::filesystem::path>
  place_for(const partition_policy& policy, const archive_manifest& x) const;
  store_result<archive_content> copy(const old_partition& what,
                                     const archive_manifest& x,
                                     const std::filesystem::path& to);
  store_result<void> publish(const archive_manifest& x,
                             const std::filesystem::path& written,
                             const std::filesystem::path& manifest);
  store_result<void> verify(const archive_manifest& x,
                            const std::filesystem::path& manifest) const;

  bool goes_on() const;

  connection& conn_;
  const held_lease& lease_;
  const std::atomic<bool>& stop_;
  std::string by_;
};

/// What an archive of the partition is made with, for people. `columns` are
/// those that are not generated.
std::string archive_statement(const old_partition& what,
                              const std::vector<std::string>& columns);

} // namespace millrace
