#include "tests/lane/writer_fixture.hpp"

#include "tests/support/watching.hpp"

#include <caf/event_based_actor.hpp>

#include <utility>

namespace millrace::test {

namespace {

router_actor::behavior_type scripted_router(std::shared_ptr<heard> log) {
  return {
    [log](const lane_route& x) { log->routes.push_back(x); },
    [](caf::subscribe_atom, const caf::actor&) {},
    [](inspect_atom) { return actor_report{}; },
  };
}

caf::behavior scripted_consumer(caf::event_based_actor* self,
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

} // namespace

caf::actor spawn_scripted_consumer(caf::actor_system& sys,
                                   std::shared_ptr<heard> log) {
  return sys.spawn(scripted_consumer, std::move(log));
}

router_actor spawn_scripted_router(caf::actor_system& sys,
                                   std::shared_ptr<heard> log) {
  return sys.spawn(scripted_router, std::move(log));
}

writer_fixture::writer_fixture(
  const std::function<void(lane_writer_config&, pool_script&)>& prepare) {
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

writer_fixture::~writer_fixture() {
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

void writer_fixture::give(const batch_spec& x) {
  self->send(aut, lane_batch{make_sample(x), slot{x.partition}, consumer});
  drain();
}

void writer_fixture::settle() {
  self->send(pool, session_notice{});
  drain();
}

texts writer_fixture::said() {
  texts result;
  for (const auto& answer : std::exchange(log->answers, {})) {
    CHECK(answer.lane == sample_lane);
    for (const auto& reply : answer.replies)
      result.push_back(to_text(reply));
  }
  return result;
}

actor_report writer_fixture::report() {
  return report_of(*this, aut);
}

std::optional<caf::error> writer_fixture::end() {
  return end_seen(*this);
}

} // namespace millrace::test
