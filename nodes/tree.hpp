#pragma once

// The supervisor tree of a node: which actors there are, who keeps them
// running, and in which order they start.

#include "actors/admin/readiness.hpp"
#include "actors/cluster/supervisor.hpp"
#include "config/config.hpp"
#include "config/placement.hpp"
#include "nodes/node.hpp"
#include "nodes/prepare.hpp"

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

/// Adds what all databases share: ROUTER, and PEERS when there are other nodes.
void plant_tree(const supervisor_actor& root, const config& all,
                const placement_ptr& where);

/// Adds what belongs to one database, after `plant_tree`: a pool for its
/// control schema, a TENANT for each tenant of it that has lanes here, a
/// PIPELINE for each pipeline. Only lanes and partitions that `where` gives
/// this node are written and read here.
void plant_database(caf::actor_system& sys, const supervisor_actor& root,
                    const config& all, const placement_ptr& where,
                    const postgresql_config& database,
                    const std::vector<prepared_pipeline>& pipelines);

} // namespace millrace
