#include "tests/source/consumer_fixture.hpp"

#include "tests/support/watching.hpp"

#include <caf/event_based_actor.hpp>

#include <utility>

namespace millrace::test {

namespace {

source_actor::behavior_type
scripted_source(source_actor::pointer self,
                std::shared_ptr<source_script> script) {
  return {
    [=](const log_request&) {
      auto result = self->make_response_promise<offset_range>();
      if (script->hold_bounds)
        script->bounds_asked.push_back(result);
      else if (script->bounds_error)
        result.deliver(script->bounds_error);
      else
        result.deliver(script->bounds);
      return result;
    },
    [=](const assign_request& x) {
      auto queue = std::make_shared<scripted_queue>(script->log, x.start.value);
      queue->others = script->others;
      auto& queues = x.catch_up ? script->catch_up_queues : script->queues;
      (x.catch_up ? script->caught_up : script->assigned)
        .push_back(x.start.value);
      // An assignment takes the partition away from the one before.
      if (!queues.empty())
        queues.back()->taken = true;
      queues.push_back(queue);
      auto result = self->make_response_promise<partition_queue_ptr>();
      if (x.catch_up && script->catch_up_error)
        result.deliver(script->catch_up_error);
      else if (script->hold_assign && !x.catch_up)
        script->assigns.push_back(result);
      else
        result.deliver(partition_queue_ptr{queue});
      return result;
    },
    [=](const verify_request& x) {
      script->verified.push_back(x.range);
      auto result = self->make_response_promise<std::vector<offset>>();
      script->verifies.push_back(result);
      if (!script->hold_verify)
        script->answer_verify();
      return result;
    },
    [=](const fetch_request& x) -> caf::result<frame> {
      script->fetched.push_back(x);
      if (script->fetch_error)
        return script->fetch_error;
      return script->record;
    },
    [=](const position_hint& x) { script->hints.push_back(x); },
    [=](const lanes_changed& x) { script->changed.push_back(x.source); },
    // To keep held promises, the oldest first.
    [=](poll_atom) {
      for (auto& x : std::exchange(script->bounds_asked, {}))
        if (script->bounds_error)
          x.deliver(script->bounds_error);
        else
          x.deliver(script->bounds);
      if (!script->assigns.empty()) {
        auto n = script->queues.size() - script->assigns.size();
        script->assigns.front().deliver(partition_queue_ptr{script->queues[n]});
        script->assigns.pop_front();
      }
    },
    [=](start_atom) { script->answer_verify(); },
    [](inspect_atom) { return actor_report{}; },
  };
}

router_actor::behavior_type
scripted_router(std::shared_ptr<std::vector<caf::actor>> listeners) {
  return {
    [](const lane_route&) {},
    [=](caf::subscribe_atom, const caf::actor& x) { listeners->push_back(x); },
    [](inspect_atom) { return actor_report{}; },
  };
}

caf::behavior scripted_writer(std::shared_ptr<std::vector<lane_batch>> log) {
  return {[log](const lane_batch& x) { log->push_back(x); }};
}

} // namespace

source_actor spawn_scripted_source(caf::actor_system& sys,
                                   std::shared_ptr<source_script> script) {
  return sys.spawn(scripted_source, std::move(script));
}

router_actor
spawn_scripted_router(caf::actor_system& sys,
                      std::shared_ptr<std::vector<caf::actor>> listeners) {
  return sys.spawn(scripted_router, std::move(listeners));
}

caf::actor spawn_scripted_writer(caf::actor_system& sys,
                                 std::shared_ptr<std::vector<lane_batch>> log) {
  return sys.spawn(scripted_writer, std::move(log));
}

consumer_fixture::consumer_fixture() {
  log::setup({.level = log::level::off});
  store->view.lanes = {{ids[0], {10}}, {ids[1], {10}}};
  store->view.floor = {10};
  store->view.map_version = {1};
  kafka->log = {10, 11, 12};
  kafka->second_reader = kafka->log;
}

consumer_fixture::~consumer_fixture() {
  stop();
  listeners->clear();
  batches->clear();
  others->clear();
  kafka->bounds_asked.clear();
  kafka->assigns.clear();
  kafka->verifies.clear();
  kafka->queues.clear();
  kafka->catch_up_queues.clear();
  store->views.held.clear();
  store->floors.held.clear();
  store->losses.held.clear();
  self->send_exit(source, caf::exit_reason::user_shutdown);
  self->send_exit(pool, caf::exit_reason::user_shutdown);
  self->send_exit(router, caf::exit_reason::user_shutdown);
  self->send_exit(writer, caf::exit_reason::user_shutdown);
  self->send_exit(other_writer, caf::exit_reason::user_shutdown);
  drain();
}

void consumer_fixture::stop() {
  if (aut)
    self->send_exit(aut, caf::exit_reason::user_shutdown);
  drain();
  aut = nullptr;
}

void consumer_fixture::start(bool routed) {
  partition_consumer_config config;
  auto& feed = config.feed;
  feed.pipeline = "p";
  feed.topic = "t";
  feed.lanes = 1;
  feed.lane_ids = ids;
  feed.map_version = {1};
  feed.batch_rows = batch_rows;
  feed.cursor.credit_bytes = credit_bytes;
  auto text = pipeline("x", {{"n", "1"}});
  text.tenant.text = "@key";
  config.program = compiled(text, {table()});
  config.linger = 5ms;
  config.floor_interval = 5s;
  config.tick = 250ms;
  config.reading.stall = stall;
  config.reading.gaps = gaps;
  config.delays = {.initial = 100ms, .max = 1s, .jitter = 0};
  aut = sys.spawn<partition_consumer>(
    std::move(config), partition_consumer_peers{pool, source, router});
  if (routed)
    route();
  drain();
}

table_schema consumer_fixture::table() {
  table_schema result;
  result.schema = "s";
  result.name = "x";
  result.columns = {column("n", "bigint", 20)};
  return result;
}

void consumer_fixture::route() {
  self->send(aut, lane_route{ids[0], writer});
  self->send(aut, lane_route{ids[1], other_writer});
  drain();
}

void consumer_fixture::reply(lane_reply::kind what, int64_t at, int64_t number,
                             std::size_t lane) {
  self->send(aut, lane_answer{ids[lane], {{what, {}, {at}, {number}}}});
  drain();
}

texts consumer_fixture::sent(std::size_t lane) {
  texts result;
  for (const auto& x : std::exchange(lane == 0 ? *batches : *others, {}))
    result.push_back(std::to_string(x.data->range.from.value) + '-'
                     + std::to_string(x.data->range.to.value) + " #"
                     + std::to_string(x.data->rewind.value));
  return result;
}

actor_report consumer_fixture::report() {
  return report_of(*this, aut);
}

std::optional<caf::error> consumer_fixture::end() {
  return end_seen(*this);
}

} // namespace millrace::test
