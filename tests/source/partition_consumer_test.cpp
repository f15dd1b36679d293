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
#include <utility>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

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
    result.error = std::exchange(error, std::nullopt);
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
                          .key = "k",
                          .value = "{}"})) {
        result.more = true;
        break;
      }
    }
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
  std::optional<kafka_error> error;

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
  std::vector<int64_t> second_reader;
  caf::error bounds_error;
  bool hold_bounds = false;
  bool hold_assign = false;
  bool hold_verify = false;

  std::deque<caf::typed_response_promise<offset_range>> bounds_asked;
  std::vector<int64_t> assigned;
  std::vector<offset_range> verified;
  std::vector<position_hint> hints;
  std::vector<partition_id> changed;
  std::vector<std::shared_ptr<scripted_queue>> queues;
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
  record_copy record;
  caf::error fetch_error;
};

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
      script->assigned.push_back(x.start.value);
      auto queue = std::make_shared<scripted_queue>(script->log, x.start.value);
      // An assignment takes the partition away from the one before.
      if (!script->queues.empty())
        script->queues.back()->taken = true;
      script->queues.push_back(queue);
      auto result = self->make_response_promise<partition_queue_ptr>();
      if (script->hold_assign)
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
    [=](const fetch_request& x) -> caf::result<record_copy> {
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

/// Every record goes to the lane `_unrouted`: its tenant is unknown here.
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
  caf::actor writer = sys.spawn(scripted_writer, batches);
  partition_consumer_actor aut;

  /// The scripted log is said to be longer than what is delivered of it.
  std::chrono::milliseconds stall{1h};
  gap_policy gaps = gap_policy::verify;

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
    kafka->bounds_asked.clear();
    kafka->assigns.clear();
    kafka->verifies.clear();
    kafka->queues.clear();
    store->views.held.clear();
    store->floors.held.clear();
    self->send_exit(source, caf::exit_reason::user_shutdown);
    self->send_exit(pool, caf::exit_reason::user_shutdown);
    self->send_exit(router, caf::exit_reason::user_shutdown);
    self->send_exit(writer, caf::exit_reason::user_shutdown);
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
    config.program = compiled(pipeline("x", {{"n", "1"}}), {table()});
    config.linger = 5ms;
    config.floor_interval = 5s;
    config.tick = 250ms;
    config.stall = stall;
    config.gaps = gaps;
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
    drain();
  }

  void reply(lane_reply::kind what, int64_t at, int64_t number) {
    self->send(aut, lane_answer{ids[0], {{what, {}, {at}, {number}}}});
    drain();
  }

  /// Each batch that the writer got since the last call, as `from-to #n`.
  texts sent() {
    texts result;
    for (const auto& x : std::exchange(*batches, {}))
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

} // namespace

TEST_CASE_METHOD(consumer_fixture, "a consumer reads the view, the log and "
                                   "acts on the floor before it reads") {
  start();
  CHECK(store->views.asked.size() == 1);
  REQUIRE(store->floors.asked.size() == 1);
  CHECK(store->floors.asked[0].act.full);
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  CHECK(listeners->size() == 1);
  CHECK(report().state == "reading");
  CHECK(sent() == texts{"10-13 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "an idle lane gets its batch at once, a "
                                   "busy one after the linger time") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  kafka->queues.back()->add(13);
  drain();
  CHECK(sent().empty());
  advance(5ms);
  CHECK(sent() == texts{"13-14 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "nothing is read before the first floor "
                                   "act was answered") {
  store->floors.queued.push_back(
    caf::make_error(store_errc::unavailable, "away"));
  start();
  CHECK(kafka->assigned.empty());
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(kafka->assigned.size() == 1);
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "another incarnation of the topic halts "
                                   "the partition") {
  kafka->bounds_error = caf::make_error(source_errc::halt, "another topic");
  start();
  CHECK(report().state == "halted");
  advance(1h);
  CHECK(kafka->assigned.empty());
  kafka->bounds_error = {};
  self->send(aut, resume_atom_v);
  drain();
  advance(100ms);
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "a truncated log halts the partition") {
  kafka->bounds = {{0}, {9}};
  start();
  CHECK(report().state == "halted");
  CHECK(kafka->assigned.empty());
}

TEST_CASE_METHOD(consumer_fixture, "a nack leads to a new assignment at the "
                                   "expected offset") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  reply(lane_reply::kind::nack, 11, 1);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 11});
  advance(5ms);
  CHECK(sent() == texts{"11-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "a queue that stays silent although records "
                                   "are there is assigned anew") {
  stall = partition_consumer_config{}.stall;
  start();
  advance(stall);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 13});
  // A second time in a row the client is given up, and its consumers with it.
  self->monitor(source);
  advance(stall + 250ms);
  bool gone = false;
  self->receive([&](const caf::down_msg& x) { gone = x.source == source; });
  CHECK(gone);
  CHECK(kafka->assigned.size() == 2);
}

TEST_CASE_METHOD(consumer_fixture, "of two assignments under way only the "
                                   "last one is read") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  kafka->hold_assign = true;
  reply(lane_reply::kind::nack, 12, 1);
  reply(lane_reply::kind::nack, 11, 2);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 12, 11});
  // The answer to the first one comes before the second one is served.
  kafka->queues[1]->taken = false;
  self->send(source, poll_atom_v);
  drain();
  CHECK(sent().empty());
  self->send(source, poll_atom_v);
  drain();
  advance(5ms);
  CHECK(sent() == texts{"11-13 #3"});
  CHECK(kafka->verified.empty());
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "a batch without a writer is sent again "
                                   "once there is one") {
  start(false);
  CHECK(sent().empty());
  route();
  advance(250ms);
  advance(5ms);
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "a batch that stays without an ack is sent "
                                   "again") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  for (int i = 0; i < 39; ++i)
    advance(250ms);
  CHECK(sent().empty());
  for (int i = 0; i < 4; ++i)
    advance(250ms);
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "a hole is read a second time before a "
                                   "batch may claim it") {
  kafka->log = {10, 15};
  kafka->second_reader = {10, 15};
  kafka->hold_verify = true;
  start();
  REQUIRE(kafka->verified.size() == 1);
  CHECK(kafka->verified[0] == offset_range{{11}, {15}});
  advance(5ms);
  CHECK(sent().empty());
  self->send(source, start_atom_v);
  drain();
  CHECK(sent() == texts{"10-16 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "a hole in which a second reader sees "
                                   "records is read again, then halts") {
  kafka->log = {10, 15};
  kafka->second_reader = {10, 13, 15};
  start();
  CHECK(report().state == "waiting");
  CHECK(sent().empty());
  advance(100ms);
  CHECK(report().state == "halted");
  CHECK(report().note.find("13") != std::string::npos);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(consumer_fixture, "no floor passes a hole before it is "
                                   "verified") {
  // Nothing but the end: no lane is touched, so none would hold the floor.
  kafka->log = kafka->second_reader = {};
  kafka->hold_verify = true;
  start();
  REQUIRE(store->floors.asked.size() == 1);
  kafka->queues.back()->end_at(20);
  drain();
  REQUIRE(kafka->verified.size() == 1);
  for (int i = 0; i < 80; ++i)
    advance(250ms);
  CHECK(store->floors.asked.size() == 1);
  SECTION("then it may") {
    self->send(source, start_atom_v);
    drain();
    REQUIRE(store->floors.asked.size() == 2);
    CHECK(store->floors.asked[1].act.to == offset{20});
  }
  SECTION("the records are there after all, and reading starts below them") {
    kafka->second_reader = {15};
    self->send(source, start_atom_v);
    drain();
    advance(100ms);
    CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
  }
}

TEST_CASE_METHOD(consumer_fixture, "an ack that overtakes the view is not "
                                   "void") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  store->views.hold = true;
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  REQUIRE(store->views.asked.size() == 2);
  reply(lane_reply::kind::ack, 13, 1);
  store->views.hold = false;
  store->views.release(store->view);
  self->send(pool, session_notice{});
  drain();
  CHECK(kafka->assigned.size() == 1);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(consumer_fixture, "a view that comes while a hole is open is "
                                   "judged when it is closed") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  store->views.hold = true;
  route();
  advance(250ms);
  REQUIRE(store->views.asked.size() == 2);
  kafka->hold_verify = true;
  kafka->queues.back()->add(20);
  drain();
  REQUIRE(kafka->verified.size() == 1);
  store->views.hold = false;
  store->views.release(store->view);
  self->send(pool, session_notice{});
  drain();
  CHECK(kafka->assigned.size() == 1);
  self->send(source, start_atom_v);
  drain();
  CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
}

TEST_CASE_METHOD(consumer_fixture, "the floor follows the acks, and each act "
                                   "is followed by an audit") {
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  auto views = store->views.asked.size();
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  REQUIRE(store->floors.asked.size() == 2);
  const auto& act = store->floors.asked[1].act;
  CHECK_FALSE(act.full);
  CHECK(act.to == offset{13});
  REQUIRE(act.touched.size() == 1);
  CHECK(act.touched[0].id == ids[0]);
  CHECK(act.touched[0].end == offset{13});
  CHECK(store->views.asked.size() == views + 1);
  CHECK(kafka->assigned.size() == 1);
  CHECK(kafka->hints.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "acks that the database does not know are "
                                   "void") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  reply(lane_reply::kind::ack, 13, 1);
  // The lanes have stayed where they were: the commit was lost in a failover.
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  advance(5ms);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "an assignment that was taken away starts "
                                   "again from durable truth") {
  start();
  kafka->queues.back()->taken = true;
  self->send(aut, records_ready_atom_v);
  drain();
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(store->views.asked.size() == 2);
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "an assignment that is taken away without a "
                                   "sound is noticed") {
  start();
  kafka->queues.back()->taken = true;
  kafka->bounds_error = caf::make_error(source_errc::halt, "topic recreated");
  advance(250ms);
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(report().state == "halted");
}

TEST_CASE_METHOD(consumer_fixture,
                 "an offset that is out of range is judged by "
                 "a fresh start") {
  start();
  auto fail = [this] {
    kafka->queues.back()->error = kafka_error{kafka_errc::offset_out_of_range,
                                              kafka_action::halt, 0,
                                              "no such offset"};
    self->send(aut, records_ready_atom_v);
    drain();
  };
  kafka->log.clear();
  SECTION("which may say why") {
    kafka->bounds_error = caf::make_error(source_errc::halt, "topic recreated");
    fail();
    CHECK(report().state == "waiting");
    advance(100ms);
    CHECK(report().note.contains("topic recreated"));
  }
  SECTION("and halts when that finds nothing wrong, time and again") {
    for (int i = 0; i < 4; ++i) {
      fail();
      CHECK(report().state == "waiting");
      advance(100ms);
      CHECK(report().state == "reading");
    }
    fail();
    CHECK(report().state == "halted");
    CHECK(report().note.contains("no such offset"));
  }
}

TEST_CASE_METHOD(consumer_fixture, "a consumer ends with its SOURCE, and fails "
                                   "with its ROUTER") {
  start();
  self->monitor(aut);
  SECTION("SOURCE") {
    self->send_exit(source, caf::exit_reason::kill);
    drain();
    auto reason = end();
    REQUIRE(reason);
    CHECK_FALSE(*reason);
  }
  SECTION("ROUTER") {
    self->send_exit(router, caf::exit_reason::kill);
    drain();
    auto reason = end();
    REQUIRE(reason);
    CHECK(*reason == caf::sec::runtime_error);
  }
}

TEST_CASE_METHOD(consumer_fixture, "other lanes in the view end the consumer, "
                                   "and SOURCE is told to make another") {
  store->view.lanes.pop_back();
  start(false);
  self->monitor(aut);
  drain();
  auto reason = end();
  REQUIRE(reason);
  // An error would start the same consumer again.
  CHECK_FALSE(*reason);
  CHECK(kafka->changed.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "lanes that change while it reads end the "
                                   "consumer too") {
  start();
  store->view.lanes.push_back({{"p", "third", shard{0}}, {10}});
  self->monitor(aut);
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  auto reason = end();
  REQUIRE(reason);
  CHECK_FALSE(*reason);
  CHECK(kafka->changed.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "the log is asked for before each floor act "
                                   "of a reading consumer") {
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  kafka->hold_bounds = true;
  for (int i = 0; i < 40; ++i)
    advance(250ms);
  REQUIRE(kafka->bounds_asked.size() == 1);
  CHECK(store->floors.asked.size() == 1);
  auto answer = [this] {
    self->send(source, poll_atom_v);
    drain();
  };
  SECTION("what is read while it is asked is not in the act") {
    kafka->queues.back()->add(13);
    drain();
    reply(lane_reply::kind::ack, 14, 1);
    answer();
    REQUIRE(store->floors.asked.size() == 2);
    CHECK(store->floors.asked[1].act.to == offset{13});
  }
  SECTION("another topic halts it, and no floor moves") {
    kafka->bounds_error = caf::make_error(source_errc::halt, "topic recreated");
    answer();
    CHECK(report().state == "halted");
    CHECK(report().note.contains("topic recreated"));
    advance(1h);
    CHECK(store->floors.asked.size() == 1);
  }
  SECTION("no answer leaves the floor, but acks are held against the rows") {
    auto views = store->views.asked.size();
    kafka->bounds_error = caf::make_error(source_errc::retry, "away");
    answer();
    CHECK(store->floors.asked.size() == 1);
    CHECK(store->views.asked.size() == views + 1);
    CHECK(report().state == "reading");
  }
}

TEST_CASE_METHOD(consumer_fixture, "a log that ends before what was read, or "
                                   "begins beyond it, is a reason to start "
                                   "again") {
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  SECTION("truncated") {
    kafka->bounds = {{0}, {12}};
  }
  SECTION("retention") {
    kafka->bounds = {{14}, {100}};
  }
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(report().state == "halted");
  CHECK(kafka->assigned.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "a stall behind the end that was seen is "
                                   "noticed") {
  stall = partition_consumer_config{}.stall;
  kafka->bounds = {{0}, {13}};
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  kafka->queues.back()->end_at(13);
  drain();
  for (int i = 0; i < 60; ++i)
    advance(250ms);
  CHECK(kafka->assigned.size() == 1);
  // Records have come, but the client does not tell.
  kafka->bounds = {{0}, {20}};
  for (int i = 0; i < 60; ++i)
    advance(250ms);
  CHECK(kafka->assigned.size() > 1);
}

TEST_CASE_METHOD(consumer_fixture, "holes that are allowed are passed without "
                                   "a second look") {
  gaps = gap_policy::allow;
  kafka->log = {10, 15};
  start();
  CHECK(kafka->verified.empty());
  CHECK(sent() == texts{"10-16 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "where gaps is strict, a hole halts the "
                                   "partition") {
  gaps = gap_policy::strict;
  kafka->log = {10, 15};
  start();
  CHECK(kafka->verified.empty());
  CHECK(report().state == "halted");
  CHECK(report().note.contains("offsets 11 to 14"));
  advance(1h);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(consumer_fixture, "a record that a dead letter needs is asked "
                                   "of the SOURCE, in whatever state") {
  kafka->record.found = true;
  kafka->record.key = "k";
  store->views.hold = true;
  start();
  auto ask = [this](const partition_id& which) {
    auto pending = self->request(aut, caf::infinite,
                                 record_request{which, {11}});
    drain();
    caf::expected<record_copy> result{caf::make_error(caf::sec::none)};
    pending.receive([&](record_copy& x) { result = std::move(x); },
                    [&](caf::error& x) { result = std::move(x); });
    return result;
  };
  auto got = ask(partition_id{});
  REQUIRE(got);
  CHECK(got->key == "k");
  REQUIRE(kafka->fetched.size() == 1);
  CHECK(kafka->fetched[0].topic == "t");
  CHECK(kafka->fetched[0].at == offset{11});
  // Its failure is the asker's.
  kafka->fetch_error = caf::make_error(source_errc::retry, "no broker");
  CHECK(ask(partition_id{}).error() == source_errc::retry);
  partition_id other;
  other.number = partition{7};
  kafka->fetch_error = {};
  CHECK_FALSE(ask(other));
  CHECK(kafka->fetched.size() == 2);
}
