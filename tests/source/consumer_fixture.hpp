#pragma once

#include "actors/cluster/log.hpp"
#include "actors/decode/record.hpp"
#include "actors/source/partition_consumer.hpp"
#include "tests/decode/sample.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"
#include "tests/support/scripted_pool.hpp"

#include <caf/event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <map>
#include <set>
#include <utility>

namespace millrace::test {

using namespace std::chrono_literals;

using texts = std::vector<std::string>;

/// A partition's log, as far as this assignment gets to see it.
class scripted_queue final : public partition_queue {
public:
  scripted_queue(std::vector<int64_t> log, int64_t start)
    : log_{std::move(log)},
      position_{start} {
  }

  const kafka_partition& which() const noexcept override {
    return which_;
  }

  kafka_generation generation() const noexcept override {
    return {1};
  }

  void set_wakeup(std::function<void()> wakeup) override {
    wakeup_ = std::move(wakeup);
    if (wakeup_)
      wakeup_();
  }

  drain_result drain(const drain_limits& limits,
                     record_visitor& visitor) override {
    drain_result result;
    result.stale = taken;
    for (auto at : log_) {
      if (taken || at < position_)
        continue;
      if (result.records == limits.records) {
        result.more = true;
        break;
      }
      ++result.records;
      position_ = at + 1;
      if (!visitor.visit({.topic = "t",
                          .offset = at,
                          .timestamp_ms = 1,
                          .key = others.contains(at) ? "other" : "k",
                          .value = "{}"})) {
        result.more = true;
        break;
      }
    }
    if (error)
      result.error = std::exchange(error, std::nullopt);
    if (end_ >= position_ && !taken && !result.more) {
      position_ = end_;
      result.at_end = true;
    }
    result.position = {position_};
    return result;
  }

  void pause() override {
  }

  void resume() override {
  }

  bool paused() const noexcept override {
    return false;
  }

  std::optional<offset> high_watermark() const override {
    return std::nullopt;
  }

  void add(int64_t at) {
    log_.push_back(at);
    if (wakeup_)
      wakeup_();
  }

  /// The end of the partition is seen there.
  void end_at(int64_t at) {
    end_ = at;
    if (wakeup_)
      wakeup_();
  }

  bool stale() const noexcept override {
    return taken;
  }

  bool taken = false;

  /// Comes behind the records, once.
  std::optional<kafka_error> error;

  /// Records of the tenant "other".
  std::set<int64_t> others;

private:
  kafka_partition which_{"t", {0}};
  std::vector<int64_t> log_;
  int64_t position_;
  int64_t end_ = 0;
  std::function<void()> wakeup_;
};

struct source_script {
  offset_range bounds{{0}, {100}};

  /// What the client delivers, and what a second reader sees.
  std::vector<int64_t> log;
  std::set<int64_t> others;
  std::vector<int64_t> second_reader;
  caf::error bounds_error;
  bool hold_bounds = false;
  bool hold_assign = false;
  bool hold_verify = false;

  std::deque<caf::typed_response_promise<offset_range>> bounds_asked;
  std::vector<int64_t> assigned;
  std::vector<int64_t> caught_up;
  std::vector<offset_range> verified;
  std::vector<position_hint> hints;
  std::vector<partition_id> changed;
  std::vector<std::shared_ptr<scripted_queue>> queues;

  /// Of the second client.
  std::vector<std::shared_ptr<scripted_queue>> catch_up_queues;
  caf::error catch_up_error;
  std::deque<caf::typed_response_promise<partition_queue_ptr>> assigns;
  std::deque<caf::typed_response_promise<std::vector<offset>>> verifies;

  void answer_verify() {
    std::vector<offset> seen;
    for (auto at : second_reader)
      if (verified.back().contains({at}))
        seen.push_back({at});
    verifies.front().deliver(std::move(seen));
    verifies.pop_front();
  }

  // Records read once more.
  std::vector<fetch_request> fetched;
  frame record;
  caf::error fetch_error;
};

inline source_actor::behavior_type
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

inline router_actor::behavior_type
scripted_router(std::shared_ptr<std::vector<caf::actor>> listeners) {
  return {
    [](const lane_route&) {},
    [=](caf::subscribe_atom, const caf::actor& x) { listeners->push_back(x); },
    [](inspect_atom) { return actor_report{}; },
  };
}

inline caf::behavior
scripted_writer(std::shared_ptr<std::vector<lane_batch>> log) {
  return {[log](const lane_batch& x) { log->push_back(x); }};
}

/// Every record goes to the lane `_unrouted`, because its tenant is unknown
/// here, but those of the tenant "other".
struct consumer_fixture : deterministic {
  std::vector<lane_id> ids{{"p", "_unrouted", shard{0}},
                           {"p", "other", shard{0}}};
  std::shared_ptr<pool_script> store = std::make_shared<pool_script>();
  std::shared_ptr<source_script> kafka = std::make_shared<source_script>();
  std::shared_ptr<std::vector<caf::actor>> listeners
    = std::make_shared<std::vector<caf::actor>>();
  std::shared_ptr<std::vector<lane_batch>> batches
    = std::make_shared<std::vector<lane_batch>>();
  pool_actor pool = sys.spawn(scripted_pool, store);
  source_actor source = sys.spawn(scripted_source, kafka);
  router_actor router = sys.spawn(scripted_router, listeners);
  std::shared_ptr<std::vector<lane_batch>> others
    = std::make_shared<std::vector<lane_batch>>();
  caf::actor writer = sys.spawn(scripted_writer, batches);
  caf::actor other_writer = sys.spawn(scripted_writer, others);
  partition_consumer_actor aut;

  /// The scripted log is said to be longer than what is delivered of it.
  std::chrono::milliseconds stall{1h};
  gap_policy gaps = gap_policy::verify;
  std::size_t batch_rows = 10'000;
  std::size_t credit_bytes = std::size_t{4} << 20;

  consumer_fixture() {
    log::setup({.level = log::level::off});
    store->view.lanes = {{ids[0], {10}}, {ids[1], {10}}};
    store->view.floor = {10};
    store->view.map_version = {1};
    kafka->log = {10, 11, 12};
    kafka->second_reader = kafka->log;
  }

  ~consumer_fixture() {
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

  void stop() {
    if (aut)
      self->send_exit(aut, caf::exit_reason::user_shutdown);
    drain();
    aut = nullptr;
  }

  void start(bool routed = true) {
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

  static table_schema table() {
    table_schema result;
    result.schema = "s";
    result.name = "x";
    result.columns = {column("n", "bigint", 20)};
    return result;
  }

  void route() {
    self->send(aut, lane_route{ids[0], writer});
    self->send(aut, lane_route{ids[1], other_writer});
    drain();
  }

  void reply(lane_reply::kind what, int64_t at, int64_t number,
             std::size_t lane = 0) {
    self->send(aut, lane_answer{ids[lane], {{what, {}, {at}, {number}}}});
    drain();
  }

  /// Each batch that the writer got since the last call, as `from-to #n`.
  texts sent(std::size_t lane = 0) {
    texts result;
    for (const auto& x : std::exchange(lane == 0 ? *batches : *others, {}))
      result.push_back(std::to_string(x.data->range.from.value) + '-'
                       + std::to_string(x.data->range.to.value) + " #"
                       + std::to_string(x.data->rewind.value));
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

  std::optional<caf::error> end() {
    std::optional<caf::error> result;
    self->receive([&](caf::down_msg& x) { result = x.reason; },
                  caf::after(0s) >> [] {});
    return result;
  }
};

} // namespace millrace::test
