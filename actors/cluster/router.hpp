#pragma once

#include "actors/cluster/vitals.hpp"
#include "messages/lane.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <vector>

namespace millrace {

/// Knows who writes each lane, and tells every PARTITION CONSUMER.
///
/// Holds hints only: a batch that went to a writer that is gone is lost on the
/// way and sent again, because no ack comes. Nobody restarts without the
/// ROUTER noticing, since it monitors every writer; who depends on it monitors
/// it in turn and ends with it.
class router_state {
public:
  static inline const char* name = "millrace.router";

  explicit router_state(router_actor::pointer self);

  router_actor::behavior_type make_behavior();

private:
  void on_route(lane_route& x);
  void on_subscribe(const caf::actor& who);
  void on_down(const caf::down_msg& msg);

  router_actor::pointer self_;
  vitals vitals_{name};
  std::map<lane_id, caf::actor> writers_;
  std::vector<caf::actor> consumers_;
};

/// The spawnable type: `self->spawn<router>()`.
using router = router_actor::stateful_impl<router_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
router_actor spawn_router(caf::local_actor* parent);

} // namespace millrace
