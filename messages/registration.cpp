#include "messages/registration.hpp"

#include "messages/cluster.hpp"
#include "messages/lane.hpp"
#include "messages/source.hpp"
#include "messages/store.hpp"
#include "messages/supervision.hpp"

#include <caf/init_global_meta_objects.hpp>

namespace millrace {

void register_messages() {
  caf::init_global_meta_objects<caf::id_block::millrace_lane>();
  caf::init_global_meta_objects<caf::id_block::millrace_supervision>();
  caf::init_global_meta_objects<caf::id_block::millrace_store>();
  caf::init_global_meta_objects<caf::id_block::millrace_source>();
  caf::init_global_meta_objects<caf::id_block::millrace_cluster>();
}

} // namespace millrace
