#pragma once

#include "actors/store/connection.hpp"
#include "actors/store/lane_admin.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace {

/// Records of a partition that no log has any more: lanes that lack them begin
/// at `lowest`.
struct lost_range {
  std::string pipeline;
  std::string topic;
  partition_id source;
  offset lowest;
};

/// What makes a restored database another one than all that nodes remember
/// (protocol.md, rule 27).
struct incarnation {
  /// Of the incarnation; noted with it.
  uuid id;

  /// Name of the backup, and SHA-256 of its manifest.
  std::string backup;
  std::string checksum;

  /// RFC 3339: when it was made.
  std::string taken;

  /// By pipeline: above any that a node may remember.
  std::map<std::string, int64_t> map_versions;

  /// What is accepted as lost.
  std::vector<lost_range> lost;
};

/// A map version that no node has seen: above the one that was restored and
/// the one in the database that is replaced, and not the next one, which a
/// change of the map may have made there meanwhile. `random` is any number.
int64_t next_map_version(int64_t restored, int64_t replaced, uint32_t random);

/// Writes it, in one transaction with its rows in `millrace.admin_action`:
/// another map version for pipelines, lanes and floors, so that nothing is
/// written or claimed that a node read before; new tokens for floors; a new
/// epoch and no owner for each lane; the coordinator's term is over; nothing
/// counts as told to a cache. Plans to change a map have ended. Can be
/// repeated.
store_result<void> write_incarnation(connection& conn, const incarnation& x,
                                     const admin_note& note);

} // namespace millrace
