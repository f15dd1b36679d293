#pragma once

// What databases tell each other when a tenant's records become another
// one's (protocol.md, rule 25).

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// An offset of each partition that is read.
using partition_marks = std::map<partition_id, offset>;

/// Whether a database that stands at `giver` may hand records over to one that
/// stands at `receiver`: that one is beyond the giver nowhere. Else a sentence.
///
/// What the receiver has passed over it does not read again, so the giver has
/// to have come there. Partitions that it has not found yet it will read from
/// their beginning.
std::optional<std::string> hand_over_problem(const partition_marks& giver,
                                             const partition_marks& receiver);

/// What a switch has to do beside lanes and floors when tenants come from, or
/// go to, other databases.
struct switch_moves {
  /// The change that all these databases have a part in.
  uuid set;

  /// Go to another database. None of their events may wait.
  std::vector<std::string> leaving;

  /// Where the databases stand that they go to, if there are some.
  std::vector<partition_marks> receivers;

  /// From where on a tenant's records are for this database.
  std::map<std::string, partition_marks> arriving;

  /// In the control database: where tenants are that are not here. Unset
  /// elsewhere.
  std::optional<std::map<std::string, std::string>> homes;
};

/// A database that waits for tenants: its pipeline stands still until the
/// change is completed or taken back.
struct map_fence {
  uuid change;
  uuid set;

  /// The map that it shall have.
  uint64_t fingerprint = 0;
  int32_t lanes = 0;

  /// Which database each tenant comes from.
  std::map<std::string, std::string> arrivals;
};

/// Fences of one pipeline, as one database has them.
///
/// Errors: `refused` with a sentence.
class tenant_moves {
public:
  /// These outlive it.
  tenant_moves(connection& conn, const std::string& pipeline);

  store_result<std::optional<map_fence>> fenced();

  /// Makes a planned change a fence, in one transaction. `retry` when floors or
  /// lanes have moved, like a switch.
  store_result<void> fence(const uuid& change, const uuid& set,
                           const std::map<std::string, std::string>& arrivals);

  /// The map of before counts again. Only while no other database of the set
  /// has switched.
  store_result<void> unfence(const map_fence& x, const std::string& why);

  /// Where the database switched as a part of that change, if it did.
  store_result<std::optional<partition_marks>> switched(const uuid& set);

  /// The floors of partitions that are read.
  store_result<partition_marks> floors();

  /// How many events of these tenants wait.
  store_result<int64_t> waiting(const std::vector<std::string>& tenants);

  /// In the control database: the tenant is in that one now.
  store_result<void> note_home(const std::string& tenant,
                               const std::string& database);

private:
  connection& conn_;
  const std::string& pipeline_;
};

// -- steps of a transaction; they throw failed_statement ----------------------

/// Locks pipeline, floors and lanes, in the order of a boot; the stored map
/// version and fingerprint.
struct locked_map {
  int64_t version = 0;
  int32_t lanes = 0;
  std::optional<std::string> fingerprint;
};

locked_map lock_map(connection& conn, const std::string& pipeline);

/// Refuses when what leaves still waits, or has not come far enough.
void check_leaving(connection& conn, const std::string& pipeline,
                   const switch_moves& x);

/// Notes from where on a tenant's records are for this database, for partitions
/// that it has not found yet.
void note_arrival(connection& conn, const std::string& pipeline,
                  const std::string& tenant, const partition_marks& from);

/// Notes where tenants are that are not in the control database. Records of
/// those that were here, or nobody's, are theirs from the floors on.
void note_homes(connection& conn, const std::string& pipeline,
                const std::map<std::string, std::string>& homes);

} // namespace millrace
