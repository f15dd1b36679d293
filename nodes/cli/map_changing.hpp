#pragma once

// One database's part in a change of a pipeline's map.

#include "actors/store/backfill_list.hpp"
#include "actors/store/map_change.hpp"
#include "nodes/cli/lanes_command.hpp"
#include "nodes/cli/lanes_session.hpp"
#include "nodes/prepare.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

/// What will be different.
struct map_difference {
  std::string database;
  stored_map before;
  new_map after;
  std::vector<std::string> tenants_added;
  std::vector<std::string> tenants_removed;

  /// That end with it, once they have come to the barrier.
  std::vector<backfill_status> ending;

  /// How many wait, and what becomes of them.
  int64_t waiting = 0;
  waiting_remap remap;
};

/// A line each.
std::string text_of(const map_difference& x);

/// What the configuration wants to be different. Nothing where the database
/// has this map already, and where the pipeline never ran.
admin_result<std::optional<map_difference>>
find_difference(admin_session& session, const pipeline_config& pipeline);

/// Plans a change, waits until all lanes of the database stand at one offset
/// of each partition, and calls `act`; again while that answers `retry`. What
/// fails, or takes longer than `patience`, ends the plan.
admin_result<void>
at_barrier(map_changes& maps, const map_difference& what,
           std::chrono::milliseconds patience, console& to,
           const std::function<store_result<void>(const uuid& plan)>& act);

} // namespace millrace::cli
