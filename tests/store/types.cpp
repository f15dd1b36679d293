#include "actors/cluster/caf_runtime.hpp"
#include "messages/lane.hpp"
#include "messages/store.hpp"
#include "messages/supervision.hpp"

namespace {

/// Before any actor system is made.
[[maybe_unused]] const bool types_are_known = [] {
  millrace::init_message_types<caf::id_block::millrace_lane,
                               caf::id_block::millrace_supervision,
                               caf::id_block::millrace_store>();
  return true;
}();

} // namespace
