#pragma once

#include "messages/lane.hpp"
#include "messages/store.hpp"

#include <caf/actor_system.hpp>

#include <string_view>

namespace millrace {

// The few actors of a node that others find by name, because a restart gives
// them a new handle. Who found one monitors it and ends with it; its next
// start finds the new one.

void publish_pool(caf::actor_system& sys, std::string_view tenant,
                  const pool_actor& x);

/// Throws std::runtime_error when there is none yet: the child that needs it
/// starts again a little later.
pool_actor find_pool(caf::actor_system& sys, std::string_view tenant);

void publish_router(caf::actor_system& sys, const router_actor& x);

router_actor find_router(caf::actor_system& sys);

/// Takes all names back, so that nothing is kept alive at the end.
void clear_directory(caf::actor_system& sys);

} // namespace millrace
