#include "actors/store/map_change.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : store_fixture {
  map_changes maps{*conn, {"me", "here", "lanes change", "why"}};

  /// From two lanes of `demo` to three of `demo` and `more`.
  new_map wanted{"p", 7, 3, {{"demo", rows_of}, {"more", rows_of}}};

  /// Nothing waits.
  waiting_remap remap = [](const waiting_event&, const lane_id& from) {
    return remapped_event{from, {}, {}};
  };

  uuid plan(std::chrono::milliseconds lease = 60s) {
    return must(maps.plan(wanted, {1}, lease));
  }

  /// Writes [from, to) of the first partition into the lane, without rows.
  lane_row write(int64_t from, int64_t to) {
    auto row = take();
    REQUIRE(run(flush_of(row, batch_of(from, to))).verdict
            == flush_verdict::committed);
    return row;
  }

  /// As a consumer does that has read that far, and found events of the first
  /// lane only.
  floor_answer raise(int64_t to) {
    partition_id source{topic_id, partition{0}};
    auto seen = must(store().view({"p", source}));
    floor_act act;
    act.to = offset{to};
    act.touched = {{0, lane, offset{to}}};
    act.floor = seen.floor;
    act.token = seen.token;
    act.map_version = seen.map_version;
    return must(store().raise({.pipeline = "p",
                               .source = source,
                               .act = act,
                               .dry_run = false,
                               .active_not_below = {}}));
  }

  bool changing() {
    return must(store().view({"p", {topic_id, partition{1}}})).changing;
  }

  std::string lanes() const {
    return db.value("SELECT string_agg(concat_ws(' ', tenant, shard, epoch, "
                    "map_version, next_seq, next_off::text), '; ' ORDER BY "
                    "tenant, shard) FROM millrace.lane");
  }

  std::string message_of(const store_result<map_switch>& x) {
    return x ? "done" : x.error().message;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a map changes at the floors, once no lane is beyond "
                          "them") {
  write(100, 110);
  CHECK_FALSE(changing());
  auto id = plan();
  CHECK(changing());
  auto now = must(maps.renew(id, "p", 60s));
  CHECK_FALSE(now.ready());
  CHECK(now.partitions.at(0).furthest == offset{110});
  CHECK(now.partitions.at(1).ready());
  auto early = maps.switch_over(id, wanted, remap);
  REQUIRE_FALSE(early);
  CHECK(early.error().code == store_errc::retry);
  CHECK_THAT(early.error().message, ContainsSubstring("events/0"));

  REQUIRE(raise(110).accepted);
  REQUIRE(must(maps.renew(id, "p", 60s)).ready());
  auto done = must(maps.switch_over(id, wanted, remap));
  CHECK(done.version == map_version{2});
  CHECK(done.lanes_added == 4);
  CHECK(done.barrier.at(0).floor == offset{110});
  CHECK(lanes()
        == "demo 0 2 2 2 {110,100}; demo 1 1 2 2 {100,100}; "
           "demo 2 0 2 2 {110,100}; more 0 0 2 2 {110,100}; "
           "more 1 0 2 2 {110,100}; more 2 0 2 2 {110,100}");
  CHECK_FALSE(changing());
  CHECK(db.value("SELECT map_version || ' ' || map_fingerprint || ' ' || lanes "
                 "FROM millrace.pipeline")
        == "2 7 3");
  CHECK(db.value("SELECT (before->>'lanes') || ' ' || (after->>'lanes') FROM "
                 "millrace.admin_action WHERE command = 'lanes change'")
        == "2 3");
  CHECK_THAT(message_of(maps.switch_over(id, wanted, remap)),
             ContainsSubstring("the plan is over"));
}

TEST_CASE_METHOD(fixture, "after the switch neither flushes nor floor acts of "
                          "the old map are taken") {
  auto row = take();
  partition_id source{topic_id, partition{0}};
  auto seen = must(store().view({"p", source}));
  must(maps.switch_over(plan(), wanted, remap));
  CHECK(run(flush_of(row, batch_of(100, 110))).verdict
        == flush_verdict::refused);
  // Nor by who takes the lane over and sends what he had.
  CHECK(run(flush_of(take(), batch_of(100, 110))).verdict
        == flush_verdict::refused);
  floor_act act;
  act.to = offset{200};
  act.floor = seen.floor;
  act.token = seen.token;
  act.map_version = seen.map_version;
  auto answer = must(store().raise({.pipeline = "p",
                                    .source = source,
                                    .act = act,
                                    .dry_run = false,
                                    .active_not_below = {}}));
  CHECK_FALSE(answer.accepted);
  CHECK(answer.map_version == map_version{2});
}

TEST_CASE_METHOD(fixture, "lanes that are no more are deleted, and those that "
                          "come back give no seq twice") {
  write(100, 110);
  REQUIRE(raise(110).accepted);
  db.execute("UPDATE millrace.lane SET next_seq = 50 WHERE shard = 1");
  wanted.lanes = 1;
  wanted.tenants.pop_back();
  CHECK(must(maps.switch_over(plan(), wanted, remap)).lanes_removed == 1);
  CHECK(lanes() == "demo 0 2 2 50 {110,100}");
  wanted.lanes = 2;
  auto id = must(maps.plan(wanted, {2}, 60s));
  must(maps.switch_over(id, wanted, remap));
  CHECK(lanes() == "demo 0 3 3 50 {110,100}; demo 1 0 3 50 {110,100}");
}

TEST_CASE_METHOD(fixture, "a plan ends with its deadline, and another one may "
                          "follow") {
  auto first = plan(1ms);
  std::this_thread::sleep_for(5ms);
  CHECK_FALSE(changing());
  CHECK_FALSE(must(maps.renew(first, "p", 60s)).planned);
  CHECK_THAT(message_of(maps.switch_over(first, wanted, remap)),
             ContainsSubstring("the plan is over"));
  auto second = plan();
  CHECK(changing());
  auto third = maps.plan(wanted, {1}, 60s);
  REQUIRE_FALSE(third);
  CHECK_THAT(third.error().message, ContainsSubstring("is under way"));
  CHECK(must(maps.abort(second, "a test")));
  CHECK_FALSE(must(maps.abort(second, "a test")));
  CHECK_FALSE(changing());
  plan();
}

TEST_CASE_METHOD(fixture, "a lane or partition that is halted lets no map "
                          "change") {
  std::string expected;
  SECTION("a lane") {
    db.execute("UPDATE millrace.lane SET state = 'halted' WHERE shard = 1");
    expected = "millrace lanes resume p/demo/1";
  }
  SECTION("a partition") {
    db.execute("UPDATE millrace.partition_floor SET state = 'halted' WHERE "
               "partition = 1");
    expected = "millrace lanes resume --partition p/events/1";
  }
  auto refused = maps.plan(wanted, {1}, 60s);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, ContainsSubstring(expected));
}

TEST_CASE_METHOD(fixture, "a lane that halts on the way lets no map change") {
  auto id = plan();
  db.execute("UPDATE millrace.lane SET state = 'halted' WHERE shard = 1");
  CHECK(must(maps.renew(id, "p", 60s)).stopped.size() == 1);
  CHECK_THAT(message_of(maps.switch_over(id, wanted, remap)),
             ContainsSubstring("p/demo/1"));
  CHECK(db.value("SELECT map_version FROM millrace.pipeline") == "1");
}

TEST_CASE_METHOD(fixture, "the map that a plan is from must still be there") {
  auto refused = maps.plan(wanted, {9}, 60s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == store_errc::refused);
  CHECK_FALSE(must(maps.stored("unknown")));
  auto stored = must(maps.stored("p"));
  REQUIRE(stored);
  CHECK(stored->lanes == 2);
  CHECK(stored->tenants == std::vector<std::string>{"demo"});
}

TEST_CASE_METHOD(fixture, "topics that nobody reads any more hold no change "
                          "up") {
  write(100, 110);
  db.execute("UPDATE millrace.topic SET retired = now()");
  auto id = plan();
  CHECK(must(maps.renew(id, "p", 60s)).ready());
  must(maps.switch_over(id, wanted, remap));
  CHECK(db.value("SELECT string_agg(floor::text, ' ' ORDER BY slot) FROM "
                 "millrace.partition_floor")
        == "110 100");
}
