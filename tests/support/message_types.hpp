#pragma once

#include "messages/cluster.hpp"
#include "messages/lane.hpp"
#include "messages/source.hpp"
#include "messages/store.hpp"
#include "messages/supervision.hpp"

#include <caf/init_global_meta_objects.hpp>

namespace millrace::test {

/// Registers every block of messages/ before `main`, and thereby before any
/// actor system exists. Include it wherever a test spawns actors.
inline const bool message_types_ready = [] {
  using caf::init_global_meta_objects;
  init_global_meta_objects<caf::id_block::millrace_lane>();
  init_global_meta_objects<caf::id_block::millrace_supervision>();
  init_global_meta_objects<caf::id_block::millrace_store>();
  init_global_meta_objects<caf::id_block::millrace_source>();
  init_global_meta_objects<caf::id_block::millrace_cluster>();
  return true;
}();

} // namespace millrace::test
