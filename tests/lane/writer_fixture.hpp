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

/// A PARTITION CONSUMER.
caf::actor spawn_scripted_consumer(caf::actor_system& sys,
                                   std::shared_ptr<heard> log);

router_actor spawn_scripted_router(caf::actor_system& sys,
                                   std::shared_ptr<heard> log);

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

/// In a source of its own, which alone pays for the actors' templates.
struct writer_fixture : deterministic {
  std::shared_ptr<pool_script> script = std::make_shared<pool_script>();
  std::shared_ptr<heard> log = std::make_shared<heard>();
  pool_actor pool = spawn_scripted_pool(sys, script);
  router_actor router = spawn_scripted_router(sys, log);
  caf::actor consumer = spawn_scripted_consumer(sys, log);
  lane_writer_actor aut;

  /// `prepare` runs before the writer is there, and may change its settings.
  explicit writer_fixture(
    const std::function<void(lane_writer_config&, pool_script&)>& prepare = {});

  ~writer_fixture();

  void give(const batch_spec& x);

  /// Sends what was released.
  void settle();

  /// Everything that the consumer was told since the last call.
  texts said();

  actor_report report();

  /// The reason of the writer's end, once it has ended.
  std::optional<caf::error> end();
};

} // namespace millrace::test
