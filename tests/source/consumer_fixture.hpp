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

source_actor spawn_scripted_source(caf::actor_system& sys,
                                   std::shared_ptr<source_script> script);

router_actor
spawn_scripted_router(caf::actor_system& sys,
                      std::shared_ptr<std::vector<caf::actor>> listeners);

/// A LANE WRITER.
caf::actor spawn_scripted_writer(caf::actor_system& sys,
                                 std::shared_ptr<std::vector<lane_batch>> log);

/// In a source of its own, which alone pays for the actors' templates.
///
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
  pool_actor pool = spawn_scripted_pool(sys, store);
  source_actor source = spawn_scripted_source(sys, kafka);
  router_actor router = spawn_scripted_router(sys, listeners);
  std::shared_ptr<std::vector<lane_batch>> others
    = std::make_shared<std::vector<lane_batch>>();
  caf::actor writer = spawn_scripted_writer(sys, batches);
  caf::actor other_writer = spawn_scripted_writer(sys, others);
  partition_consumer_actor aut;

  /// The scripted log is said to be longer than what is delivered of it.
  std::chrono::milliseconds stall{1h};
  gap_policy gaps = gap_policy::verify;
  std::size_t batch_rows = 10'000;
  std::size_t credit_bytes = std::size_t{4} << 20;

  consumer_fixture();

  ~consumer_fixture();

  void stop();
  void start(bool routed = true);
  static table_schema table();
  void route();
  void reply(lane_reply::kind what, int64_t at, int64_t number,
             std::size_t lane = 0);

  /// Each batch that the writer got since the last call, as `from-to #n`.
  texts sent(std::size_t lane = 0);

  actor_report report();
  std::optional<caf::error> end();
};

} // namespace millrace::test
