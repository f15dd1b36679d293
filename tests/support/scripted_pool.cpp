#include "tests/support/scripted_pool.hpp"

#include <caf/actor_system.hpp>

namespace millrace::test {

namespace {

pool_actor::behavior_type scripted_pool(pool_actor::pointer self,
                                        std::shared_ptr<pool_script> script) {
  return {
    [=](const flush& x) {
      return script->flushes.take(self, x, [&](const flush& y) {
        return script->commit(y);
      });
    },
    [=](const takeover_request& x) {
      return script->takeovers.take(self, x, [&](const takeover_request& y) {
        return script->take_over(y);
      });
    },
    [=](const halt_request& x) {
      return script->halts.take(self, x, [&](const halt_request&) {
        script->row.state = lane_state::halted;
        return script->row;
      });
    },
    [=](const retention_halt_request& x) {
      return script->losses.take(self, x, [&](const retention_halt_request& y) {
        for (auto& lane : script->view.lanes)
          if (lane.lane == y.lane)
            lane.state = lane_state::halted;
        return script->row;
      });
    },
    [=](const load_request& x) {
      return script->loads.take(self, x, [&](const load_request&) {
        return script->row;
      });
    },
    [](const boot_request&) -> caf::result<boot_result> {
      return caf::make_error(store_errc::failed, "not scripted");
    },
    [=](const view_request& x) {
      return script->views.take(self, x, [&](const view_request&) {
        return script->view;
      });
    },
    [=](const floor_request& x) {
      return script->floors.take(self, x, [&](const floor_request& y) {
        return script->raise(y.act);
      });
    },
    [=](const waiting_request& x) {
      return script->waiting.take(self, x, [](const waiting_request&) {
        return waiting_answer{};
      });
    },
    [](pool_nudge) {},
    [=](const wake_request& x) { script->sleepers.push_back(x.lane); },
    [=](const pool_subscribe& x) { script->listeners.push_back(x.listener); },
    [](pool_inquiry) { return pool_status{}; },
    // A promise may only be kept by its actor.
    [=](const session_notice&) {
      script->flushes.settle();
      script->takeovers.settle();
      script->loads.settle();
      script->halts.settle();
      script->losses.settle();
      script->views.settle();
      script->floors.settle();
      script->waiting.settle();
    },
    [](inspect_atom) { return actor_report{}; },
  };
}

} // namespace

pool_actor spawn_scripted_pool(caf::actor_system& sys,
                               std::shared_ptr<pool_script> script) {
  return sys.spawn(scripted_pool, std::move(script));
}

} // namespace millrace::test
