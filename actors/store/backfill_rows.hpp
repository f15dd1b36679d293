#pragma once

// Backfills within the transactions of a boot and of a switch (rule 25). Steps
// throw failed_statement.

#include "actors/store/connection.hpp"
#include "messages/store_requests.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// A backfill as the configuration of a change has it.
struct map_backfill {
  std::string pipeline;

  /// The pipeline that gets the map waits at its barrier for this one.
  bool holds = false;
};

/// Notes which tables the pipeline writes from now on: all of them, sorted or
/// not. `change` is the map with which it begins to, empty at its first boot.
void note_tables(connection& conn, const std::string& pipeline,
                 const std::vector<std::string>& tables, int64_t version,
                 const std::string& change);

/// Before the backfill's own row is locked: no map of the other pipeline
/// changes from here on. Refused with `retry` when that one has not begun yet.
void lock_of_backfill(connection& conn, const boot_request& x);

/// At the first boot of a pipeline that is a backfill, when its floors are
/// there: says where it ends, if that is known; refused with `retry` while the
/// other one is fenced for tenants that come. At later ones: refuses when the
/// pipeline was none, or is none any more, or has other tables.
std::vector<backfill_gap> boot_backfill_rows(connection& conn,
                                             const boot_request& x, bool first);

/// Refuses a map of a backfill that writes other tables than it began with:
/// what the other ones lack nobody would make up for.
void check_own_tables(connection& conn, const std::string& pipeline,
                      const std::vector<std::string>& tables);

/// Refuses when a tenant of the pipeline that goes to another database now
/// would lose or double rows of a backfill, see `tenants_stay`.
void check_tenants_may_move(connection& conn, const std::string& pipeline);

/// All that was read of the pipeline before is void, and who writes its lanes
/// has to take them over: it gets a map version beyond its own, by a random
/// distance. Its rows are locked.
void begin_anew(connection& conn, const std::string& pipeline);

/// What a switch did to a backfill.
struct ended_backfill {
  std::string pipeline;
  bool holds = false;
};

/// Ends the backfills whose tables the new map writes at the floors, which are
/// the barrier, and makes void what is on its way in them. The pipeline's rows
/// are locked. Refused when one of them is not in `configured`; `retry` when
/// one is beyond a floor.
std::vector<ended_backfill>
end_backfills(connection& conn, const std::string& pipeline,
              const std::vector<std::string>& tables,
              const std::vector<map_backfill>& configured,
              const std::string& change);

} // namespace millrace
