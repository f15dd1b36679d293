#include "tests/store/lane_store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <pqxx/pqxx>

#include <atomic>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using fixture = lane_store_fixture;

// -- views and floors ---------------------------------------------------------

TEST_CASE_METHOD(fixture, "a view shows every lane of the partition, in order, "
                          "with its effective offset") {
  lanes_at("150", "90");
  db.execute("UPDATE millrace.lane SET state = 'parked' WHERE shard = 1");
  auto seen = view();
  CHECK(seen.at == slot{0});
  CHECK(seen.floor == offset{100});
  REQUIRE(seen.lanes.size() == 2);
  CHECK(seen.lanes[0].lane == lane);
  CHECK(seen.lanes[0].effective == offset{150});
  CHECK(seen.lanes[1].effective == offset{100});
  CHECK(seen.lanes[1].state == lane_state::parked);
  auto missing = store().view({"p", {topic_id, partition{8}}});
  CHECK(missing.error().code == store_errc::no_partition);
}

TEST_CASE_METHOD(fixture, "a full act raises the floor to the least of all "
                          "lanes, halted ones too") {
  lanes_at("150", "130");
  db.execute("UPDATE millrace.lane SET state = 'halted' WHERE shard = 1");
  auto act = full();
  auto answer = must(store().raise(act));
  CHECK(answer.accepted);
  CHECK(answer.floor == offset{130});
  CHECK(answer.token != act.act.token);
  CHECK(view().floor == offset{130});
  CHECK(view().token == answer.token);
}

TEST_CASE_METHOD(fixture, "a full act that raises nothing still takes the "
                          "token") {
  auto act = full();
  auto answer = must(store().raise(act));
  CHECK(answer.accepted);
  CHECK(answer.floor == offset{100});
  CHECK(answer.token != act.act.token);
}

TEST_CASE_METHOD(fixture, "a touched act raises the floor when every touched "
                          "lane is past its last event") {
  lanes_at("150", "100");
  auto answer = must(store().raise(touched(200, 150)));
  CHECK(answer.accepted);
  CHECK(answer.floor == offset{200});
  auto seen = view();
  CHECK(seen.lanes.at(1).effective == offset{200});
}

TEST_CASE_METHOD(fixture, "a touched act never lowers a floor") {
  lanes_at("150", "150");
  CHECK(must(store().raise(touched(90, 90))).floor == offset{100});
}

TEST_CASE_METHOD(fixture, "every guard of a floor act refuses by itself, and "
                          "the answer shows what stands there") {
  lanes_at("150", "150");
  auto kind = GENERATE(true, false);
  auto x = kind ? full() : touched(200, 150);
  auto token = x.act.token;
  SECTION("floor") {
    ++x.act.floor.value;
  }
  SECTION("token") {
    x.act.token = uuid::random();
  }
  SECTION("map version") {
    ++x.act.map_version.value;
  }
  SECTION("state") {
    db.execute("UPDATE millrace.partition_floor SET state = 'halted'");
  }
  SECTION("a lane without the slot") {
    db.execute("UPDATE millrace.lane SET next_off[1] = NULL WHERE shard = 0");
  }
  SECTION("an active lane below the bound") {
    x.active_not_below = offset{151};
  }
  auto answer = must(store().raise(x));
  CHECK_FALSE(answer.accepted);
  CHECK(answer.floor == offset{100});
  CHECK(answer.token == token);
}

TEST_CASE_METHOD(fixture, "a touched act is refused while a touched lane lags "
                          "or is missing") {
  lanes_at("149", "300");
  CHECK_FALSE(must(store().raise(touched(200, 150))).accepted);
  auto x = touched(200, 149);
  x.act.touched[0].id.number = shard{5};
  CHECK_FALSE(must(store().raise(x)).accepted);
  x.act.touched[0].id = {"p", "no \"such\" tenant", shard{0}};
  CHECK_FALSE(must(store().raise(x)).accepted);
}

TEST_CASE_METHOD(fixture, "a lane's own offset counts for a touched act, not "
                          "the floor that lifted it") {
  lanes_at("100", "100");
  db.execute("UPDATE millrace.partition_floor SET floor = 180 WHERE slot = 1");
  CHECK_FALSE(must(store().raise(touched(200, 150))).accepted);
}

TEST_CASE_METHOD(fixture, "a full act without any lane is refused") {
  db.execute("DELETE FROM millrace.lane");
  CHECK_FALSE(must(store().raise(full())).accepted);
}

TEST_CASE_METHOD(fixture, "a dry run answers as the act would and changes "
                          "nothing") {
  lanes_at("150", "150");
  auto x = touched(200, 150);
  x.dry_run = true;
  x.active_not_below = offset{150};
  auto answer = must(store().raise(x));
  CHECK(answer.accepted);
  CHECK(answer.token == x.act.token);
  CHECK(view().floor == offset{100});
  x.act.touched[0].end = offset{151};
  CHECK_FALSE(must(store().raise(x)).accepted);
}

TEST_CASE_METHOD(fixture, "of two acts at once one is accepted") {
  lanes_at("150", "150");
  auto act = full();
  auto first = open();
  must(first.run("BEGIN"));
  CHECK(must(lane_store{first, 1s}.raise(act)).accepted);
  std::jthread committing{[&first] {
    std::this_thread::sleep_for(200ms);
    must(first.run("COMMIT"));
  }};
  CHECK_FALSE(must(store().raise(act)).accepted);
}
