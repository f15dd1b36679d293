#pragma once

// The supervisor tree of a node: which actors there are, who keeps them
// running, and in which order they start.

#include "actors/admin/readiness.hpp"
#include "actors/cluster/supervisor.hpp"
#include "config/config.hpp"
#include "config/placement.hpp"
#include "nodes/node.hpp"
#include "nodes/prepare.hpp"
#include "nodes/source_settings.hpp"

#include <caf/actor_system.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

/// NODE: the root, with ADMIN below it, so that a node can be looked into
/// while it still waits for its servers.
supervisor_config
root_config(const config& all, const node_options& options,
            std::shared_ptr<readiness_board> board,
            std::function<void(const std::string&)> on_escalation);

/// Told that the program of a reading does not fit the database any more, and
/// why: the map or columns are others. From any thread.
using outdated_hook
  = std::function<void(const std::string& reading, const std::string& why)>;

/// What all that is planted for one configuration shares.
struct planting {
  std::shared_ptr<const config> all;
  placement_ptr where;
  tenant_credit credit;

  /// May be empty.
  outdated_hook on_outdated;
};

/// Adds what all databases share: ROUTER, and PEERS when there are other nodes.
/// Returns the names of the children, in order.
std::vector<std::string> plant_tree(const supervisor_actor& root,
                                    const planting& what);

/// Adds what belongs to one database, after `plant_tree`: a pool for its
/// control schema, a TENANT for each tenant of it that has lanes here, a
/// PIPELINE for each pipeline. Only lanes and partitions that `where` gives
/// this node are written and read here. Returns the names of the children, in
/// order.
std::vector<std::string>
plant_database(caf::actor_system& sys, const supervisor_actor& root,
               const planting& what, const postgresql_config& database,
               const std::vector<prepared_pipeline>& pipelines);

/// Stops these children, the last one first. False when one of them did not
/// end in time.
bool uproot_tree(caf::actor_system& sys, const supervisor_actor& root,
                 const std::vector<std::string>& children);

} // namespace millrace
