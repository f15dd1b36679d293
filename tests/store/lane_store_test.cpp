#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <pqxx/pqxx>

#include <atomic>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : store_fixture {
  const partition_id source{topic_id, partition{0}};

  void lanes_at(const char* first, const char* second) {
    for (auto [shard, at] : {std::pair{"0", first}, std::pair{"1", second}})
      db.execute("UPDATE millrace.lane SET next_off[1] = " + std::string{at}
                 + " WHERE shard = " + shard);
  }

  partition_view view() {
    return must(store().view({"p", source}));
  }

  floor_request full() {
    auto seen = view();
    floor_request result{"p", source, {}, false, {}};
    result.act.full = true;
    result.act.floor = seen.floor;
    result.act.token = seen.token;
    result.act.map_version = seen.map_version;
    return result;
  }

  floor_request touched(int64_t to, int64_t first_lane_end) {
    auto result = full();
    result.act.full = false;
    result.act.to = offset{to};
    result.act.touched = {{0, {"p", "demo", shard{0}}, offset{first_lane_end}}};
    return result;
  }
};

} // namespace

// -- boot ---------------------------------------------------------------------

TEST_CASE_METHOD(fixture, "boot inserts what is missing and reads back what "
                          "stands there") {
  auto result = must(store().boot(boot_of(2)));
  CHECK(result.map_version == map_version{1});
  REQUIRE(result.partitions.size() == 2);
  CHECK(result.partitions[1].source == partition_id{topic_id, partition{1}});
  CHECK(result.partitions[1].topic == "events");
  CHECK(result.partitions[1].at == slot{1});
  CHECK(result.partitions[1].floor == offset{100});
  REQUIRE(result.lanes.size() == 2);
  CHECK(result.lanes[0].lane == lane);
  CHECK(result.lanes[0].shape == rows_of);
  CHECK(db.value("SELECT start_offsets FROM millrace.topic") == "{100,100}");
}

TEST_CASE_METHOD(fixture, "a later start offset does not move what stands") {
  auto again = boot_of(2);
  for (auto& p : again.topics[0].partitions)
    p.start = offset{500};
  CHECK(must(store().boot(again)).partitions[0].floor == offset{100});
}

TEST_CASE_METHOD(fixture,
                 "a boot does not wait for the flush of somebody else") {
  // A frozen node's open transaction holds its lane's row.
  pqxx::connection frozen{db.url()};
  pqxx::work flush{frozen};
  flush.exec("UPDATE millrace.lane SET next_seq = next_seq + 1");
  CHECK(must(store().boot(boot_of(2))).lanes.size() == 2);
}

TEST_CASE_METHOD(fixture, "a new partition gets a slot in every lane before it "
                          "is read") {
  lanes_at("150", "160");
  auto more = boot_of(3);
  more.topics[0].partitions[2].start = offset{7};
  auto result = must(store().boot(more));
  CHECK(result.partitions.at(2).at == slot{2});
  auto row = must(store().load({lane, false}));
  CHECK(row.next_off
        == std::vector<offset>{offset{150}, offset{100}, offset{7}});
  CHECK(row.floors == std::vector<offset>{offset{100}, offset{100}, offset{7}});
  CHECK(row.effective(slot{0}) == offset{150});
  CHECK(db.value("SELECT partitions || ' ' || start_offsets::text FROM "
                 "millrace.topic")
        == "3 {100,100,7}");
}

TEST_CASE_METHOD(fixture, "a first start of its own counts only at the "
                          "pipeline's first boot") {
  auto x = boot_of(3);
  for (auto& p : x.topics[0].partitions) {
    p.start = offset{7};
    p.first_start = offset{900};
  }
  SECTION("a partition that is found later begins at its start") {
    auto result = must(store().boot(x));
    CHECK(result.partitions.at(0).floor == offset{100});
    CHECK(result.partitions.at(2).floor == offset{7});
  }
  SECTION("so does a topic that is found later") {
    x.topics[0].id = uuid::random();
    x.topics[0].name = "later";
    auto result = must(store().boot(x));
    REQUIRE(result.partitions.size() == 5);
    CHECK(result.partitions[4].topic == "later");
    CHECK(result.partitions[4].floor == offset{7});
  }
  SECTION("a pipeline that is new begins at its first start") {
    x.pipeline = "q";
    for (const auto& p : must(store().boot(x)).partitions)
      CHECK(p.floor == offset{900});
    CHECK(db.value("SELECT start_offsets FROM millrace.topic WHERE pipeline = "
                   "'q'")
          == "{900,900,900}");
  }
  SECTION("a pipeline that began without topics is not new any more") {
    auto empty = x;
    empty.pipeline = x.pipeline = "q";
    empty.topics.clear();
    auto result = must(store().boot(empty));
    CHECK(result.partitions.empty());
    CHECK(result.lanes.size() == 2);
    CHECK(must(store().boot(x)).partitions.at(0).floor == offset{7});
    CHECK(db.value("SELECT next_off FROM millrace.lane WHERE pipeline = 'q' "
                   "AND shard = 0")
          == "{7,7,7}");
  }
}

TEST_CASE_METHOD(fixture, "a topic that was made again gets no rows, and the "
                          "others do") {
  auto x = boot_of(2);
  auto old = std::exchange(x.topics[0].id, uuid::random());
  x.topics.push_back({uuid::random(), "other", {{partition{0}, offset{3}}}});
  auto result = must(store().boot(x));
  REQUIRE(result.partitions.size() == 3);
  CHECK(result.partitions[0].source.topic == old);
  CHECK(result.partitions[2].topic == "other");
  // Whoever gives the new one a row has decided that it shall be read.
  db.execute("INSERT INTO millrace.topic SELECT pipeline, '"
             + to_string(x.topics[0].id)
             + "', name, 0, gap_policy, '{}' FROM millrace.topic WHERE name = "
               "'events'");
  CHECK(must(store().boot(x)).partitions.size() == 5);
}

TEST_CASE_METHOD(fixture, "a topic's gap policy is stored") {
  auto x = boot_of(2);
  auto stored = [&] {
    return db.value("SELECT gap_policy FROM millrace.topic");
  };
  CHECK(stored() == "verify");
  x.topics[0].gaps = "allow";
  must(store().boot(x));
  CHECK(stored() == "allow");
}

TEST_CASE_METHOD(fixture, "boots at once give every slot once") {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([this] {
      auto mine = open();
      must(lane_store{mine, 1s}.boot(boot_of(6)));
    });
  threads.clear();
  CHECK(db.value("SELECT count(DISTINCT slot) || ' ' || max(slot) FROM "
                 "millrace.partition_floor")
        == "6 6");
  CHECK(db.value("SELECT min(cardinality(next_off)) || ' ' || "
                 "max(cardinality(next_off)) FROM millrace.lane")
        == "6 6");
}

TEST_CASE_METHOD(fixture, "another mapping or number of lanes is refused") {
  auto x = boot_of(2);
  auto expected = "";
  SECTION("mapping") {
    x.map_fingerprint = 1;
    expected = "millrace lanes change --config FILE --pipeline p";
  }
  SECTION("lanes") {
    x.lanes = 3;
    expected = "with 2 lanes";
  }
  SECTION("shape") {
    x.tenants[0].shape = shape{1};
    x.adopt_shape = false;
    expected = "other ones than this node's program";
  }
  auto result = store().boot(x);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::other_map);
  CHECK_THAT(result.error().message, ContainsSubstring(expected));
}

TEST_CASE_METHOD(fixture, "a new shape is written into the lanes and fences "
                          "what was encoded for the old one") {
  auto row = take();
  auto work = flush_of(row, batch_of(100, 110));
  auto x = boot_of(2);
  x.tenants[0].shape = shape{1};
  CHECK(must(store().boot(x)).lanes.at(0).shape == shape{1});
  CHECK(run(work).verdict == flush_verdict::refused);
}

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
