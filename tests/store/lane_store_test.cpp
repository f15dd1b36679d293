#include "tests/store/lane_store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <pqxx/pqxx>

#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
using fixture = lane_store_fixture;

// -- takeover and load --------------------------------------------------------

TEST_CASE_METHOD(fixture, "a takeover fences the owner before it") {
  auto first = take();
  auto second = take();
  CHECK(second.epoch.value == first.epoch.value + 1);
  CHECK(second.owner != first.owner);
  CHECK(second.next_seq == first.next_seq);
  CHECK(run(flush_of(first, batch_of(100, 110))).verdict
        == flush_verdict::refused);
  CHECK(run(flush_of(second, batch_of(100, 110))).verdict
        == flush_verdict::committed);
  CHECK(db.value("SELECT node FROM millrace.lane WHERE shard = 0") == "n1");
}

TEST_CASE_METHOD(fixture, "a lane that is missing or not active is not taken "
                          "over") {
  auto missing
    = store().takeover({{"p", "demo", shard{9}}, uuid::random(), ""});
  CHECK(missing.error().code == store_errc::no_lane);
  db.execute("UPDATE millrace.lane SET state = 'halted'");
  auto halted = store().takeover({lane, uuid::random(), ""});
  CHECK(halted.error().code == store_errc::lane_inactive);
  CHECK_THAT(halted.error().message, ContainsSubstring("halted"));
  CHECK(must(store().load({lane, false})).state == lane_state::halted);
  CHECK(store().load({{"p", "demo", shard{9}}, true}).error().code
        == store_errc::no_lane);
}

TEST_CASE_METHOD(fixture, "only the holder of a lane can halt it, with a "
                          "reason that stays") {
  auto old = take();
  auto row = take();
  auto late = must(store().halt({lane, old.epoch, old.owner, "late"}));
  CHECK(late.state == lane_state::active);
  auto halted = must(store().halt({lane, row.epoch, row.owner, "23514: no"}));
  CHECK(halted.state == lane_state::halted);
  CHECK(db.value("SELECT reason FROM millrace.lane WHERE shard = 0")
        == "23514: no");
  CHECK(run(flush_of(row, batch_of(100, 110))).verdict
        == flush_verdict::refused);
  CHECK(view().lanes[0].state == lane_state::halted);
}

TEST_CASE_METHOD(fixture, "a lane that retention ran past is halted unless it "
                          "has moved on") {
  auto row = take();
  retention_halt_request lost{lane, slot{0}, row.effective(slot{0}), "lost"};
  CHECK(run(flush_of(row, batch_of(100, 110))).verdict
        == flush_verdict::committed);
  CHECK(must(store().halt(lost)).state == lane_state::active);
  lost.effective = must(store().load({lane, false})).effective(slot{0});
  lost.at = slot{99};
  CHECK(must(store().halt(lost)).state == lane_state::active);
  lost.at = slot{0};
  CHECK(must(store().halt(lost)).state == lane_state::halted);
  CHECK(db.value("SELECT reason FROM millrace.lane WHERE shard = 0") == "lost");
  CHECK(db.value("SELECT count(*) FROM millrace.lane WHERE state = 'halted'")
        == "1");
}

TEST_CASE_METHOD(fixture, "a zombie's open flush is ended by the takeover") {
  auto row = take();
  auto zombie = open();
  auto data = batch_of(100, 101);
  add_row(data.blocks[0], 100, event_row(1, {}, "late"), 1);
  // It claims, and then waits for a lock that will not come.
  auto blocker = open();
  must(blocker.run("BEGIN; LOCK TABLE tenant_demo.log"));
  flush_run flying{zombie, flush_of(row, std::move(data)), 30s};
  CHECK(flying.advance(200ms) == flush_progress::pending);
  auto taken = must(store().takeover({lane, uuid::random(), "n2"}));
  CHECK(taken.epoch.value == row.epoch.value + 1);
  must(blocker.run("ROLLBACK"));
  while (flying.advance(100ms) == flush_progress::pending)
    continue;
  CHECK(flying.result().verdict == flush_verdict::disconnected);
  CHECK(db.value("SELECT count(*) FROM tenant_demo.log") == "0");
  CHECK(taken.next_seq == row.next_seq);
}

TEST_CASE_METHOD(fixture, "only the lane's own writers are ended; any other "
                          "holder of the row is waited for") {
  auto other = open();
  must(other.run("BEGIN; SELECT 1 FROM millrace.lane FOR UPDATE"));
  auto result = store().takeover({lane, uuid::random(), "n2"});
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::retry);
  CHECK(other.is_open());
  must(other.run("COMMIT"));
}

TEST_CASE_METHOD(fixture, "a load for update waits for a commit on its way and "
                          "sees it") {
  auto row = take();
  auto flying = open();
  must(flying.run("BEGIN; UPDATE millrace.lane SET next_seq = 9"));
  std::jthread committing{[&flying] {
    std::this_thread::sleep_for(100ms);
    must(flying.run("COMMIT"));
  }};
  CHECK(must(store().load({lane, true})).next_seq == seq{9});
}

TEST_CASE_METHOD(fixture, "a row and its floors are never torn apart") {
  // Both move together; a reader must never see one without the other.
  auto writer = open();
  std::atomic<bool> stop = false;
  std::jthread moving{[&] {
    for (int64_t i = 101; !stop; ++i)
      must(writer.run(
        "BEGIN; UPDATE millrace.lane SET next_off[1] = " + std::to_string(i)
        + "; UPDATE millrace.partition_floor SET floor = " + std::to_string(i)
        + " WHERE slot = 1; COMMIT"));
  }};
  for (int i = 0; i < 300; ++i) {
    auto row = must(store().load({lane, false}));
    REQUIRE(row.next_off[0] == row.floors[0]);
    auto seen = view();
    REQUIRE(seen.lanes.at(0).effective == seen.lanes.at(1).effective);
    REQUIRE(seen.lanes.at(0).effective == seen.floor);
  }
  stop = true;
}
