// When a LANE WRITER tries waiting events again.

#include "tests/lane/writer_fixture.hpp"

#include <caf/send.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

/// A lane with one waiting event, which PostgreSQL says lacks its row.
struct fixture : writer_fixture {
  fixture() : writer_fixture{prepare} {
  }

  static void prepare(lane_writer_config& config, pool_script& script) {
    script.row.waiting = {{seq{7}, 10, {}}};
    waiting_answer answer;
    answer.count = 1;
    auto& event = answer.events.emplace_back();
    event.number = seq{7};
    event.source = sample_source();
    event.record.at = offset{3};
    // Not before the writer asks for events.
    script.waiting.decide = [answer](const waiting_request& x) {
      return x.max_events == 0 || x.from <= seq{7};
    };
    script.waiting.otherwise = answer;
    flush_result missing;
    missing.verdict = flush_verdict::failed;
    missing.action = failure_action::missing;
    missing.missing = {{0, 0, offset{3}}};
    missing.reason = "no row";
    script.flushes.decide = [](const flush& x) { return !x.taken.empty(); };
    script.flushes.otherwise = missing;
    config.writes = {{1, false, missing_row::wait, false}};
    config.waiting.retry_first = 100ms;
    config.waiting.retry_max = 10s;
    config.waiting.make_mapper = [] {
      return [](const waiting_event& x, const lane_row& row) {
        auto data = std::make_shared<batch>();
        data->lane = row.lane;
        data->source = x.source;
        data->range = {x.record.at, x.record.at + 1};
        data->map_version = row.map_version;
        data->shape = row.shape;
        data->blocks.resize(1);
        return data;
      };
    };
  }

  /// The parent has come.
  void mend() {
    script->flushes.decide = {};
  }

  int64_t waiting() {
    for (const auto& [name, value] : report().counters)
      if (name == "waiting")
        return value;
    return -1;
  }

  std::size_t tries() const {
    return static_cast<std::size_t>(std::ranges::count_if(
      script->flushes.asked, [](const flush& x) { return !x.taken.empty(); }));
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a lane that has waiting events is taken over at the "
                          "start and tries them") {
  CHECK(script->takeovers.asked.size() == 1);
  CHECK(tries() == 1);
  CHECK(script->flushes.asked[0].taken == std::vector{seq{7}});
  CHECK(script->flushes.asked[0].claim.ranges.empty());
}

TEST_CASE_METHOD(fixture, "tries in vain come ever more slowly") {
  advance(200ms);
  CHECK(tries() == 2);
  advance(200ms);
  CHECK(tries() == 2);
  advance(200ms);
  CHECK(tries() == 3);
  for (int i = 0; i < 10; ++i)
    advance(10s);
  auto before = tries();
  advance(10s);
  CHECK(tries() == before + 1);
}

TEST_CASE_METHOD(fixture, "a commit of another lane wakes it, once per try") {
  for (int i = 0; i < 10; ++i)
    advance(10s);
  auto before = tries();
  advance(2s);
  CHECK(tries() == before);
  REQUIRE(script->sleepers.size() == 1);
  mend();
  caf::anon_send(script->sleepers[0], woken_atom_v);
  drain();
  advance(1ms);
  CHECK(tries() == before + 1);
  CHECK(waiting() == 0);
  // Nothing waits any more, so nothing is tried.
  advance(60s);
  CHECK(tries() == before + 1);
}

namespace {

/// A lane that nothing waits in as yet.
struct quiet_fixture : writer_fixture {
  quiet_fixture()
    : writer_fixture{[](lane_writer_config& config, pool_script&) {
        config.waiting.retry_max = 10s;
        config.waiting.make_mapper = [] { return waiting_mapper{}; };
      }} {
  }

  /// Somebody else puts an event aside.
  void put_aside() {
    script->waiting.decide = [](const waiting_request&) { return true; };
    script->waiting.otherwise.count = 1;
  }

  void reconnect() {
    self->send(aut, pool_reconnected{});
    drain();
  }
};

} // namespace

TEST_CASE_METHOD(quiet_fixture, "after a reconnect a lane that is not taken "
                                "over asks again whether events wait") {
  REQUIRE(script->takeovers.asked.empty());
  put_aside();
  reconnect();
  CHECK(script->takeovers.asked.size() == 1);
}

TEST_CASE_METHOD(quiet_fixture, "a writer that was fenced and has no batch "
                                "asks again and again whether events wait") {
  give({.from = 10, .to = 20, .rows = {11}});
  auto other = script->row;
  other.epoch = {99};
  script->loads.queued.push_back(other);
  auto before = script->waiting.asked.size();
  reconnect();
  CHECK(script->waiting.asked.size() == before + 1);
  advance(10s);
  CHECK(script->waiting.asked.size() == before + 2);
  CHECK(script->takeovers.asked.size() == 1);
  put_aside();
  advance(10s);
  CHECK(script->takeovers.asked.size() == 2);
}

TEST_CASE_METHOD(writer_fixture, "a lane that has no waiting events is not "
                                 "taken over at the start") {
  CHECK(script->takeovers.asked.empty());
  CHECK(script->waiting.asked.empty());
}
