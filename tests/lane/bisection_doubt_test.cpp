// The search for an event that PostgreSQL refuses, when it is broken off.

#include "tests/lane/poisoned_lane.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE("a lost connection in the middle makes the search begin again, and "
          "no verdict survives it") {
  for (int lost_at = 1; lost_at < 12; ++lost_at) {
    for (auto written : {false, true}) {
      poisoned lane;
      lane.poison = {{0, 9}, {0, 10}};
      lane.give_many(16, 5);
      for (auto open = true; open;) {
        if (lane.flushes + 1 != lost_at) {
          open = lane.step();
          continue;
        }
        auto step = lane.core.next_step();
        if (step == lane_step::flush) {
          ++lane.flushes;
          if (written && !lane.refuses(lane.core.flight()))
            lane.apply(lane.core.flight());
          lane.core.lost();
          CHECK_FALSE(lane.core.bisecting());
        } else if (step == lane_step::take_over) {
          lane.core.took_over(lane.row);
        } else if (step == lane_step::fetch) {
          lane.core.fetched({});
        } else {
          open = false;
        }
      }
      CAPTURE(lost_at, written);
      lane.check_all(16);
    }
  }
}

TEST_CASE("a reconnect while the record is fetched makes the answer void") {
  poisoned lane;
  lane.poison = {{0, 1}};
  lane.give({.from = 0, .to = 3, .rows = {1}});
  while (lane.core.next_step() != lane_step::fetch) {
    if (!lane.core.owns_row())
      lane.core.took_over(lane.row);
    else
      lane.core.data_refused({"22003", "m", "r"});
  }
  lane.core.reconnected();
  lane.core.fetched({});
  CHECK_FALSE(lane.core.bisecting());
  // The other server takes the row.
  lane.poison.clear();
  lane.run();
  CHECK(lane.applied == std::vector<event_key>{{0, 1}});
  CHECK(lane.dead.empty());
}

TEST_CASE("a reconnect while the dead letter flies changes nothing about the "
          "flight") {
  poisoned lane;
  lane.poison = {{0, 1}};
  lane.give({.from = 0, .to = 3, .rows = {1}});
  while (lane.fetches == 0)
    REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  REQUIRE(lane.core.flight().sources.at(0).refused.size() == 1);
  lane.core.reconnected();
  SECTION("it commits") {
    lane.apply(lane.core.flight());
    lane.core.committed();
    lane.run();
    CHECK(lane.dead_keys() == std::vector<event_key>{{0, 1}});
    CHECK(lane.applied.empty());
  }
  SECTION("it is refused once more, and not for its rows") {
    lane.core.data_refused({"22003", "m", "r"});
    CHECK(lane.core.halted() == lane_halt::data);
  }
}

TEST_CASE("an event that is taken when it is alone is no dead letter") {
  poisoned lane;
  lane.poison = {{0, 7}};
  lane.give_many(8, 8);
  for (int i = 0; i < 5; ++i)
    lane.step();
  CHECK(lane.core.bisecting());
  // Somebody has inserted what it lacked.
  lane.poison.clear();
  lane.run();
  lane.check_all(8);
  CHECK(lane.fetches == 0);
}

TEST_CASE("a failure of the data without any rows halts the lane") {
  poisoned lane;
  lane.give({.from = 0, .to = 8, .rejects = {3}});
  REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  lane.core.data_refused({"22003", "short", "long with a row"});
  CHECK(lane.core.halted() == lane_halt::data);
  CHECK(lane.core.halt_reason() == "22003: short");
  CHECK(to_texts(lane.core.take_replies()) == texts{"hand back 0 #1"});
}

TEST_CASE("a halt in the middle of a batch hands it back once") {
  poisoned lane;
  lane.poison = {{0, 0}};
  lane.give_many(8, 8);
  while (!lane.core.bisecting())
    REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  CHECK(lane.core.flight().sources.at(0).keep_below == offset{4});
  lane.core.halt(lane_halt::data, "XX000: no");
  CHECK(to_texts(lane.core.take_replies()) == texts{"hand back 0 #1"});
  CHECK(lane.core.queued_bytes() == 0);
}

TEST_CASE(
  "a batch that takes too long is halved by its events, down to one, and "
  "nothing of it is rejected") {
  poisoned lane;
  lane.give_many(16, 16);
  REQUIRE(lane.step());
  for (int64_t events : {16, 8, 4, 2, 1, 1}) {
    REQUIRE(lane.core.next_step() == lane_step::flush);
    const auto& part = lane.core.flight().sources.at(0);
    CHECK(std::min(offset{16}, part.keep_below) == offset{events});
    lane.core.retry_smaller();
  }
  lane.run();
  lane.check_all(16);
  CHECK(lane.flushes <= 16);
  CHECK_FALSE(lane.core.bisecting());
}

TEST_CASE("what comes while the search is on waits behind it") {
  poisoned lane;
  lane.poison = {{0, 3}};
  lane.give_many(8, 8);
  while (!lane.core.bisecting())
    REQUIRE(lane.step());
  lane.give({.from = 8, .to = 12, .rows = {8, 9, 10, 11}});
  // Covered by what is queued: no second copy.
  lane.give({.from = 0, .to = 8, .rows = {0, 1, 2, 3}});
  lane.run();
  lane.check_all(12);
  CHECK(lane.said.back() == "ack 12");
}

// -- whom a lane answers ------------------------------------------------------

TEST_CASE("each answer goes to whoever sent the batch, though another sends "
          "for the same partition") {
  poisoned lane;
  auto from = [&lane](int64_t first, int64_t last, uint32_t who) {
    lane.core.receive(make_sample({.from = first, .to = last, .rows = {first}}),
                      slot{0}, origin{who});
  };
  from(0, 5, 1);
  from(5, 9, 2);
  CHECK(lane.core.owes(origin{1}));
  REQUIRE(lane.step());
  REQUIRE(lane.core.next_step() == lane_step::flush);
  CHECK(lane.core.owes(origin{1}));
  lane.core.committed();
  auto replies = lane.core.take_replies();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].to == origin{1});
  CHECK(replies[0].reply.at == offset{5});
  CHECK(replies[1].to == origin{2});
  CHECK(replies[1].reply.at == offset{9});
  CHECK_FALSE(lane.core.owes(origin{1}));
  CHECK_FALSE(lane.core.owes(origin{2}));
}
