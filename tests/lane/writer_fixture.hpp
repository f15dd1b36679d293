#pragma once

// A LANE WRITER between a POOL, a ROUTER and consumers that do what a test
// tells them.

#include "actors/cluster/log.hpp"
#include "actors/lane/lane_writer.hpp"
#include "messages/packing.hpp"
#include "tests/lane/samples.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"
#include "tests/support/scripted_pool.hpp"

#include <caf/event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <deque>
#include <functional>
#include <utility>

namespace millrace::test {

using namespace std::chrono_literals;

/// What a ROUTER and the PARTITION CONSUMERS heard.
struct heard {
  std::vector<lane_route> routes;
  std::vector<lane_answer> answers;
  std::vector<record_request> wanted;

  /// The answer to `wanted`, once the errors are used up.
  record_copy record;
  std::size_t frame_bytes = max_frame_bytes;
  std::function<void()> before_answer;
  std::deque<caf::error> record_errors;
};

inline router_actor::behavior_type scripted_router(std::shared_ptr<heard> log) {
  return {
    [log](const lane_route& x) { log->routes.push_back(x); },
    [](caf::subscribe_atom, const caf::actor&) {},
    [](inspect_atom) { return actor_report{}; },
  };
}

inline caf::behavior scripted_consumer(caf::event_based_actor* self,
                                       std::shared_ptr<heard> log) {
  return {
    [log](const lane_answer& x) { log->answers.push_back(x); },
    [self, log](const record_request& x) -> caf::result<frame> {
      log->wanted.push_back(x);
      if (log->before_answer)
        log->before_answer();
      if (log->record_errors.empty())
        return framed{pack(self->system(), log->record), log->frame_bytes}.cut(
          x.from);
      auto reason = log->record_errors.front();
      log->record_errors.pop_front();
      return reason;
    },
  };
}

inline flush_result outcome(flush_verdict verdict,
                            failure_action action = failure_action::none) {
  flush_result result;
  result.verdict = verdict;
  result.action = action;
  if (verdict == flush_verdict::failed) {
    result.sqlstate = "XX000";
    result.message = "no";
  }
  return result;
}

struct writer_fixture : deterministic {
  std::shared_ptr<pool_script> script = std::make_shared<pool_script>();
  std::shared_ptr<heard> log = std::make_shared<heard>();
  pool_actor pool = sys.spawn(scripted_pool, script);
  router_actor router = sys.spawn(scripted_router, log);
  caf::actor consumer = sys.spawn(scripted_consumer, log);
  lane_writer_actor aut;

  /// `prepare` runs before the writer is there, and may change its settings.
  explicit writer_fixture(
    const std::function<void(lane_writer_config&, pool_script&)>& prepare
    = {}) {
    log::setup({.level = log::level::off});
    script->row = sample_row({10, 0}, {0, 0});
    lane_writer_config config;
    config.lane = sample_lane;
    config.node = "n1";
    config.store_timeout = 60s;
    config.delays = {.initial = 100ms, .max = 1s, .jitter = 0};
    config.park_delays = {.initial = 1s, .max = 30s, .jitter = 0};
    config.park_retry = 30s;
    if (prepare)
      prepare(config, *script);
    aut = sys.spawn<lane_writer>(std::move(config), pool, router);
    drain();
  }

  ~writer_fixture() {
    // Open promises would keep their requesters waiting.
    script->flushes.held.clear();
    script->loads.held.clear();
    script->listeners.clear();
    script->sleepers.clear();
    log->routes.clear();
    self->send_exit(aut, caf::exit_reason::user_shutdown);
    self->send_exit(pool, caf::exit_reason::user_shutdown);
    self->send_exit(router, caf::exit_reason::user_shutdown);
    self->send_exit(consumer, caf::exit_reason::user_shutdown);
    drain();
  }

  void give(const batch_spec& x) {
    self->send(aut, lane_batch{make_sample(x), slot{x.partition}, consumer});
    drain();
  }

  /// Sends what was released.
  void settle() {
    self->send(pool, session_notice{});
    drain();
  }

  /// Everything that the consumer was told since the last call.
  texts said() {
    texts result;
    for (const auto& answer : std::exchange(log->answers, {})) {
      CHECK(answer.lane == sample_lane);
      for (const auto& reply : answer.replies)
        result.push_back(to_text(reply));
    }
    return result;
  }

  actor_report report() {
    auto pending = self->request(aut, caf::infinite, inspect_atom_v);
    drain();
    actor_report result;
    pending.receive([&](actor_report& x) { result = std::move(x); },
                    [&](caf::error& x) { result.state = to_string(x); });
    return result;
  }

  /// The reason of the writer's end, once it has ended.
  std::optional<caf::error> end() {
    std::optional<caf::error> result;
    self->receive([&](caf::down_msg& x) { result = x.reason; },
                  caf::after(0s) >> [] {});
    return result;
  }
};

} // namespace millrace::test
