#include "actors/admin/metrics.hpp"
#include "tests/lane/writer_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(writer_fixture, "a writer tells who it is and takes nothing "
                                 "over before its first batch") {
  REQUIRE(log->routes.size() == 1);
  CHECK(log->routes[0].lane == sample_lane);
  CHECK(log->routes[0].writer == caf::actor_cast<caf::actor>(aut));
  CHECK(script->listeners.size() == 1);
  CHECK(script->takeovers.asked.empty());
  CHECK(report().state == "idle");
  CHECK(report().name == "ticks/demo/0");
}

TEST_CASE_METHOD(writer_fixture, "a batch is taken over, flushed and "
                                 "acknowledged") {
  give({.from = 10, .to = 20, .rows = {11, 12}});
  REQUIRE(script->takeovers.asked.size() == 1);
  CHECK(script->takeovers.asked[0].lane == sample_lane);
  CHECK(script->takeovers.asked[0].node == "n1");
  CHECK(script->takeovers.asked[0].owner != uuid{});
  REQUIRE(script->flushes.asked.size() == 1);
  CHECK(script->flushes.asked[0].claim.owner
        == script->takeovers.asked[0].owner);
  CHECK(said() == texts{"ack 20"});
  CHECK(report().state == "writing");
}

TEST_CASE_METHOD(writer_fixture, "one flush is in flight while the next one "
                                 "gathers") {
  script->flushes.hold = true;
  give({.from = 10, .to = 20, .rows = {11}});
  give({.from = 20, .to = 30, .rows = {21}});
  give({.from = 30, .to = 40, .rows = {31}});
  REQUIRE(script->flushes.asked.size() == 1);
  script->flushes.hold = false;
  script->flushes.release(script->commit(script->flushes.asked[0]));
  settle();
  REQUIRE(script->flushes.asked.size() == 2);
  CHECK(script->flushes.asked[1].sources.size() == 2);
  CHECK(said() == texts{"ack 20", "ack 30", "ack 40"});
}

TEST_CASE_METHOD(writer_fixture, "keys that updates and deletes have not found "
                                 "are counted once they are committed") {
  auto counted = make_lane_writer_metrics(sys, "ticks", "demo").rows_not_found;
  auto before = counted->value();
  script->flushes.hold = true;
  give({.from = 10, .to = 20, .rows = {11}});
  auto result = script->commit(script->flushes.asked[0]);
  result.not_found = {0, 3, 4};
  script->flushes.hold = false;
  script->flushes.release(result);
  settle();
  CHECK(counted->value() - before == 7);
}

TEST_CASE_METHOD(writer_fixture, "answers go to where the batch of that "
                                 "partition came from") {
  auto other_log = std::make_shared<heard>();
  auto other = spawn_scripted_consumer(sys, other_log);
  script->flushes.hold = true;
  give({.from = 10, .to = 20, .rows = {11}});
  self->send(aut, lane_batch{make_sample({.from = 0, .to = 5, .partition = 1}),
                             slot{1}, other});
  drain();
  script->flushes.hold = false;
  script->flushes.release(script->commit(script->flushes.asked[0]));
  settle();
  CHECK(said() == texts{"ack 20"});
  REQUIRE(other_log->answers.size() == 1);
  CHECK(to_texts(other_log->answers[0].replies) == texts{"ack 5"});
  self->send_exit(other, caf::exit_reason::user_shutdown);
  drain();
}

TEST_CASE_METHOD(writer_fixture, "a takeover is tried again with growing "
                                 "delays") {
  for (int i = 0; i < 2; ++i)
    script->takeovers.queued.push_back(
      caf::make_error(store_errc::unavailable, "away"));
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(script->takeovers.asked.size() == 1);
  CHECK(report().state == "waiting for PostgreSQL");
  advance(99ms);
  CHECK(script->takeovers.asked.size() == 1);
  advance(1ms);
  CHECK(script->takeovers.asked.size() == 2);
  advance(199ms);
  CHECK(script->takeovers.asked.size() == 2);
  advance(1ms);
  CHECK(script->takeovers.asked.size() == 3);
  CHECK(said() == texts{"ack 20"});
  // Every takeover is a new owner.
  CHECK(script->takeovers.asked[0].owner != script->takeovers.asked[2].owner);
}

TEST_CASE_METHOD(writer_fixture, "a refused claim leads to the row and is "
                                 "judged by it") {
  script->flushes.queued.push_back(outcome(flush_verdict::refused));
  SECTION("the same row: the same flush again") {
    give({.from = 10, .to = 20, .rows = {11}});
    CHECK(script->loads.asked.size() == 1);
    CHECK_FALSE(script->loads.asked[0].for_update);
    CHECK(said() == texts{"ack 20"});
  }
  SECTION("another owner: fenced, and taken over after a delay") {
    auto other = script->row;
    other.epoch = {99};
    script->loads.queued.push_back(other);
    give({.from = 10, .to = 20, .rows = {11}});
    CHECK(script->takeovers.asked.size() == 1);
    advance(100ms);
    CHECK(script->takeovers.asked.size() == 2);
    CHECK(said() == texts{"ack 20"});
  }
}

TEST_CASE_METHOD(writer_fixture, "a flush in doubt is resolved with a lock on "
                                 "the row") {
  script->flushes.hold = true;
  give({.from = 10, .to = 20, .rows = {11}});
  script->flushes.hold = false;
  auto first = script->flushes.asked.at(0);
  SECTION("it was written") {
    script->commit(first);
    script->flushes.release(outcome(flush_verdict::in_doubt));
    settle();
    CHECK(script->flushes.asked.size() == 1);
  }
  SECTION("it was not") {
    script->flushes.release(outcome(flush_verdict::in_doubt));
    settle();
    CHECK(script->flushes.asked.size() == 2);
  }
  SECTION("nobody answers in time") {
    advance(60s);
    CHECK(script->flushes.asked.size() == 2);
  }
  REQUIRE(script->loads.asked.size() == 1);
  CHECK(script->loads.asked[0].for_update);
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(writer_fixture, "a pool without room is asked again, and "
                                 "nothing is in doubt") {
  for (auto code : {store_errc::overloaded, store_errc::unavailable})
    script->flushes.queued.push_back(caf::make_error(code, "later"));
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(script->flushes.asked.size() == 1);
  advance(100ms);
  CHECK(script->flushes.asked.size() == 2);
  advance(200ms);
  CHECK(said() == texts{"ack 20"});
  CHECK(script->loads.asked.empty());
}

TEST_CASE_METHOD(writer_fixture, "a passing failure is tried again after a "
                                 "delay") {
  for (auto action : {failure_action::retry, failure_action::halve}) {
    script->flushes.queued.push_back(outcome(flush_verdict::failed, action));
    auto before = script->flushes.asked.size();
    auto from = script->row.next_off[0].value;
    give({.from = from, .to = from + 5, .rows = {from}});
    CHECK(script->flushes.asked.size() == before + 1);
    CHECK(said().empty());
    advance(100ms);
    CHECK(script->flushes.asked.size() == before + 2);
    CHECK(said() == texts{"ack " + std::to_string(from + 5)});
  }
}

TEST_CASE_METHOD(writer_fixture, "a missing table parks the lane and is tried "
                                 "again, ever more slowly") {
  for (auto action : {failure_action::park, failure_action::wait_partition}) {
    for (int i = 0; i < 2; ++i)
      script->flushes.queued.push_back(outcome(flush_verdict::failed, action));
    auto from = script->row.next_off[0].value;
    give({.from = from, .to = from + 5, .rows = {from}});
    CHECK(report().state == "parked");
    CHECK(report().note.starts_with("XX000: no"));
    CHECK(report().note.contains("partition")
          == (action == failure_action::wait_partition));
    advance(1s);
    CHECK(report().state == "parked");
    advance(1'999ms);
    CHECK(said().empty());
    advance(1ms);
    CHECK(said() == texts{"ack " + std::to_string(from + 5)});
    CHECK(report().state == "writing");
  }
}

TEST_CASE_METHOD(writer_fixture, "a lane whose tenant is parked waits for the "
                                 "pool's word, for a minute at most") {
  script->flushes.queued.push_back(
    caf::make_error(store_errc::misconfigured, std::string{"42P01: no table"}));
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(report().state == "parked");
  CHECK(report().note.contains("42P01: no table"));
  advance(59s);
  CHECK(said().empty());
  // Nothing was sent, so nothing is in doubt.
  CHECK(script->loads.asked.empty());
  SECTION("it comes") {
    self->send(aut, resume_atom_v);
    drain();
  }
  SECTION("it gets lost") {
    advance(1s);
  }
  CHECK(said() == texts{"ack 20"});
  CHECK(report().state == "writing");
}

TEST_CASE_METHOD(writer_fixture, "a lane for which the server has no room "
                                 "waits for the pool's word, for a while at "
                                 "most") {
  auto comes = GENERATE(true, false);
  auto no_room = caf::make_error(store_errc::back_off,
                                 std::string{"53100: disk full"});
  SECTION("its flush found it out") {
    auto result = outcome(flush_verdict::failed, failure_action::back_off);
    result.sqlstate = "53100";
    result.message = "disk full";
    script->flushes.queued.push_back(result);
  }
  SECTION("another lane's did") {
    script->flushes.queued.push_back(no_room);
  }
  SECTION("its takeover did") {
    script->takeovers.queued.push_back(no_room);
  }
  give({.from = 10, .to = 20, .rows = {11}});
  give({.from = 20, .to = 30, .rows = {21}});
  CHECK(report().state == "waiting for PostgreSQL");
  CHECK(report().note == "53100: disk full");
  advance(1'999ms);
  CHECK(said().empty());
  // Nothing was written, so nothing is in doubt.
  CHECK(script->loads.asked.empty());
  if (comes) {
    self->send(aut, resume_atom_v);
    drain();
  } else {
    advance(1ms);
  }
  CHECK(said() == texts{"ack 20", "ack 30"});
  CHECK(report().state == "writing");
}

TEST_CASE_METHOD(writer_fixture, "a flush that is lost with its connection is "
                                 "resolved at once") {
  SECTION("as a verdict") {
    script->flushes.queued.push_back(outcome(flush_verdict::disconnected));
  }
  SECTION("as an action") {
    script->flushes.queued.push_back(
      outcome(flush_verdict::failed, failure_action::reconnect));
  }
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(script->loads.asked.size() == 1);
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(writer_fixture, "a failure that needs a person halts the lane "
                                 "until it is resumed") {
  script->flushes.queued.push_back(
    outcome(flush_verdict::failed, failure_action::halt));
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(said() == texts{"hand back 10 #1"});
  CHECK(report().state == "halted");
  CHECK(report().note == "XX000: no");
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(said() == texts{"hand back 10 #1"});
  CHECK(script->flushes.asked.size() == 1);
  // In the row, so that consumers read past the lane.
  REQUIRE(script->halts.asked.size() == 1);
  CHECK(script->halts.asked[0].reason == "XX000: no");
  CHECK(script->halts.asked[0].epoch == script->row.epoch);
  CHECK(script->halts.asked[0].owner == script->row.owner);
  CHECK(script->row.state == lane_state::halted);
  // Somebody has mended it.
  script->row.state = lane_state::active;
  self->send(aut, resume_atom_v);
  drain();
  CHECK(report().state == "idle");
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(script->takeovers.asked.size() == 2);
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(writer_fixture, "a lane that was halted goes on by itself "
                                 "once its row is active again") {
  script->flushes.queued.push_back(
    outcome(flush_verdict::failed, failure_action::halt));
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(said() == texts{"hand back 10 #1"});
  script->row.state = lane_state::active;
  advance(lane_writer_config{}.park_retry);
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(said() == texts{"ack 20"});
  CHECK(report().state == "writing");
}

TEST_CASE_METHOD(writer_fixture, "a lane without a row, or with one that is "
                                 "not active, halts") {
  struct {
    store_errc code;
    texts said;
  } cases[] = {
    {store_errc::no_lane, {"hand back 10 #1"}},
    {store_errc::lane_inactive, {"hand back 10 #1"}},
  };
  for (const auto& x : cases) {
    script->takeovers.queued.push_back(caf::make_error(x.code, "so it is"));
    give({.from = 10, .to = 20, .rows = {11}});
    CHECK(said() == x.said);
    CHECK(report().state == "halted");
    CHECK(report().note.find("so it is") != std::string::npos);
    self->send(aut, resume_atom_v);
    drain();
  }
}

TEST_CASE_METHOD(writer_fixture, "to resume a writer that runs changes "
                                 "nothing") {
  script->flushes.hold = true;
  give({.from = 10, .to = 20, .rows = {11}});
  self->send(aut, resume_atom_v);
  drain();
  CHECK(report().state == "writing");
  script->flushes.hold = false;
  script->flushes.release(script->commit(script->flushes.asked[0]));
  settle();
  CHECK(said() == texts{"ack 20"});
}

TEST_CASE_METHOD(writer_fixture, "after a reconnect the row is read before "
                                 "the next batch is judged") {
  give({.from = 10, .to = 20, .rows = {11}});
  CHECK(said() == texts{"ack 20"});
  // The new server does not know of the last commit.
  script->row.next_off[0] = {10};
  script->row.next_seq = {100};
  script->loads.hold = true;
  self->send(aut, pool_reconnected{2});
  drain();
  give({.from = 20, .to = 30, .rows = {21}});
  CHECK(said().empty());
  CHECK(script->flushes.asked.size() == 1);
  script->loads.hold = false;
  script->loads.release(script->row);
  settle();
  CHECK(said() == texts{"nack 10 #1"});
}

TEST_CASE_METHOD(writer_fixture, "a writer ends with its POOL or its ROUTER, "
                                 "so that the next one finds the new ones") {
  self->monitor(aut);
  SECTION("POOL") {
    self->send_exit(pool, caf::exit_reason::kill);
  }
  SECTION("ROUTER") {
    self->send_exit(router, caf::exit_reason::kill);
  }
  drain();
  auto reason = end();
  REQUIRE(reason);
  CHECK(*reason == caf::sec::runtime_error);
}

TEST_CASE("a writer's limits are checked") {
  lane_writer_config good;
  good.plan = write_plan_ptr{std::shared_ptr<int>{},
                             reinterpret_cast<const write_plan*>(&good)};
  CHECK_FALSE(validate(good));
  auto bad = good;
  bad.plan.reset();
  CHECK(validate(bad));
  bad = good;
  bad.limits.flush_bytes = 0;
  CHECK(validate(bad));
  bad = good;
  bad.limits.queue_bytes = bad.limits.flush_bytes - 1;
  CHECK(validate(bad));
  bad = good;
  bad.limits.max_reject_ratio = 1.5;
  CHECK(validate(bad));
  bad = good;
  bad.store_timeout = 0ms;
  CHECK(validate(bad));
}
