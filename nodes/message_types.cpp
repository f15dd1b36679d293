#include "nodes/message_types.hpp"

#include "actors/cluster/caf_runtime.hpp"
#include "actors/cluster/network.hpp"
#include "messages/lane.hpp"
#include "messages/source.hpp"
#include "messages/store.hpp"
#include "messages/supervision.hpp"

namespace millrace {

void init_node_types() {
  init_message_types<
    caf::id_block::millrace_lane, caf::id_block::millrace_supervision,
    caf::id_block::millrace_store, caf::id_block::millrace_source>();
  init_network_types();
}

} // namespace millrace
