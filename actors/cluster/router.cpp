#include "actors/cluster/router.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

router_state::router_state(router_actor::pointer self) : self_{self} {
}

router_actor::behavior_type router_state::make_behavior() {
  self_->set_down_handler([this](caf::down_msg& msg) { on_down(msg); });
  return {
    [this](lane_route& x) { on_route(x); },
    [this](caf::subscribe_atom, const caf::actor& who) { on_subscribe(who); },
    [this](inspect_atom) {
      return vitals_.report(
        self_, {{"lanes", static_cast<int64_t>(writers_.size())},
                {"consumers", static_cast<int64_t>(consumers_.size())}});
    },
  };
}

void router_state::on_route(lane_route& x) {
  auto& writer = writers_[x.lane];
  if (writer == x.writer)
    return;
  writer = x.writer;
  self_->monitor(writer);
  for (const auto& who : consumers_)
    caf::anon_send(who, x);
}

void router_state::on_subscribe(const caf::actor& who) {
  if (std::ranges::find(consumers_, who) == consumers_.end()) {
    consumers_.push_back(who);
    self_->monitor(who);
  }
  for (const auto& [lane, writer] : writers_)
    caf::anon_send(who, lane_route{lane, writer});
}

void router_state::on_down(const caf::down_msg& msg) {
  std::erase_if(consumers_, [&msg](const caf::actor& x) {
    return x.address() == msg.source;
  });
  std::erase_if(writers_, [&msg](const auto& x) {
    return x.second.address() == msg.source;
  });
}

router_actor spawn_router(caf::local_actor* parent) {
  return parent->spawn<router>();
}

} // namespace millrace
