// When a backfill is done, what must not happen before, and how it is given up
// (rule 25).

#include "actors/store/backfill_end.hpp"
#include "actors/store/backfill_list.hpp"
#include "tests/store/backfill_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : backfill_fixture {
  const admin_note note{"me", "here", "lanes backfills --give-up", "why"};

  backfill_status past() {
    return must(list_backfills(*conn)).at(0);
  }

  /// Both partitions have come to their ends.
  void finish_past() {
    db.execute("UPDATE millrace.partition_floor SET floor = 100 WHERE pipeline "
               "= 'past'");
  }

  void wait_in_past(int64_t at) {
    db.execute("INSERT INTO millrace.waiting (pipeline, tenant, shard, seq, "
               "topic, topic_name, partition, \"offset\", headers, touches, "
               "reason) VALUES ('past', 'demo', 0, "
               + std::to_string(at) + ", '" + to_string(topic_id)
               + "', 'events', 0, " + std::to_string(at) + ", '', '', 'x')");
    db.execute("UPDATE millrace.lane SET next_seq = " + std::to_string(at + 1)
               + " WHERE pipeline = 'past'");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a backfill is not done before it has found all "
                          "partitions that it ends in") {
  must(boot_past());
  must(change({"fees", "orders"}));
  finish_past();
  CHECK(past().done());
  db.execute("DELETE FROM millrace.partition_floor WHERE pipeline = 'past' AND "
             "partition = 1");
  CHECK_FALSE(past().done());
  REQUIRE(past().partitions.size() == 2);
  const auto missing = past().partitions[1];
  CHECK(missing.topic == "events");
  CHECK(missing.number == partition{1});
  CHECK(missing.until == offset{100});
  CHECK_FALSE(missing.floor);
  CHECK(missing.behind() == 0);
  SECTION("unless nothing there is for it") {
    db.execute("UPDATE millrace.backfill_end SET until = 0 WHERE partition = "
               "1");
    CHECK(past().done());
  }
  SECTION("unless they are of a topic that was made again") {
    db.execute("UPDATE millrace.topic SET retired = now() WHERE pipeline = "
               "'orders'");
    CHECK(past().done());
  }
}

TEST_CASE_METHOD(fixture, "no tenant goes to another database, or comes from "
                          "one, while a backfill is not done") {
  new_map to{"orders", 2, 1, {}, {"orders"}, {}};
  auto leave = [&] {
    switch_moves moves;
    moves.set = uuid::random();
    moves.leaving = {"demo"};
    auto id = must(maps.plan(to, must(maps.stored("orders"))->version, 60s));
    auto done = maps.switch_over(id, to, remap, moves);
    must(maps.abort(id, "a test"));
    return why_not(done);
  };
  auto arrive = [&] {
    auto id = must(maps.plan(to, must(maps.stored("orders"))->version, 60s));
    std::string pipeline{"orders"};
    auto done = tenant_moves{*conn, pipeline}.fence(id, uuid::random(),
                                                    {{"more", "west"}});
    must(maps.abort(id, "a test"));
    return why_not(done);
  };
  must(boot_past());
  CHECK_THAT(leave(), ContainsSubstring("past backfills orders and is not done")
                        && ContainsSubstring("--give-up past"));
  CHECK_THAT(arrive(), ContainsSubstring("is not done"));
  must(change({"fees", "orders"}));
  CHECK_THAT(leave(), ContainsSubstring("is not done"));
  finish_past();
  to.tables = {"fees", "orders"};
  CHECK(arrive() == "done");
}

TEST_CASE_METHOD(fixture, "the tenants of a backfill stay where they are") {
  must(boot_past());
  must(change({"fees", "orders"}));
  finish_past();
  auto all = must(list_backfills(*conn));
  CHECK_THAT(tenants_stay(all, "past").value_or(""),
             ContainsSubstring("past is a backfill, whose tenants stay")
               && ContainsSubstring("take it out of the configuration"));
  CHECK_FALSE(tenants_stay(all, "orders"));
  // Its own map would be another one, and nobody could change it.
  CHECK_THAT(tenants_stay(all, "orders", names{"past"}).value_or(""),
             ContainsSubstring("is done, so take it out of the configuration"));
  // One that only the configuration has would begin after they have moved.
  CHECK_THAT(tenants_stay(all, "orders", names{"later"}).value_or(""),
             ContainsSubstring("later backfills orders and has not begun"));
}

TEST_CASE_METHOD(fixture, "a backfill does not begin behind tenants that came "
                          "later than the tables") {
  must(change({"fees", "orders"}, {}));
  auto change_id = db.value("SELECT id FROM millrace.map_change WHERE state = "
                            "'switched'");
  // As a change leaves it that brought one.
  db.execute("INSERT INTO millrace.map_change (pipeline, map_version, "
             "map_fingerprint, lanes, tenants, state, deadline, why, arrivals) "
             "VALUES ('orders', 3, 3, 1, '{demo,more}', 'fenced', now(), "
             "'a test', '{\"more\": \"west\"}')");
  CHECK_THAT(why_not(boot_past()),
             ContainsSubstring("tenants are on their way"));
  db.execute("UPDATE millrace.map_change SET state = 'aborted', why = "
             "'completed' WHERE state = 'fenced'");
  CHECK_THAT(why_not(boot_past()),
             ContainsSubstring("tenant more came from another database after")
               && ContainsSubstring("make a new table"));
  // Before the tables came it does no harm.
  db.execute("UPDATE millrace.map_change SET map_version = 1 WHERE arrivals IS "
             "NOT NULL");
  CHECK(why_not(boot_past()) == "done");
  CHECK(db.value("SELECT change FROM millrace.backfill") == change_id);
}

TEST_CASE_METHOD(fixture, "two backfills do not make up for one table") {
  must(boot_past());
  auto second = [&] {
    return why_not(
      boot("second", {"fees", "legs"}, boot_backfill{"orders", false}, 0));
  };
  CHECK_THAT(second(), ContainsSubstring("past backfills fees of orders "
                                         "already"));
  must(give_up_backfill(*conn, "past", note));
  CHECK(second() == "done");
}

TEST_CASE_METHOD(fixture, "a backfill that is given up ends where it is, and "
                          "nobody waits for it") {
  must(boot_past());
  must(change({"fees", "orders"}));
  floor_at("past", 60);
  wait_in_past(42);
  db.execute("UPDATE millrace.lane SET state = 'halted', reason = 'x' WHERE "
             "pipeline = 'past'");
  db.execute("UPDATE millrace.partition_floor SET state = 'halted' WHERE "
             "pipeline = 'past' AND partition = 1");
  CHECK(view("orders").held_by == "past");
  auto before = must(store().load({view("past").lanes.at(0).lane, false}));

  CHECK(must(give_up_backfill(*conn, "past", note)).dead == 1);
  CHECK(view("orders").held_by.empty());
  CHECK_FALSE(view("orders").changing);
  CHECK(view("past").finished());
  CHECK(view("past").until == offset{60});
  CHECK(past().given_up);
  CHECK_FALSE(past().open());
  CHECK_FALSE(past().done());
  // What is on its way is void, and nothing stands halted.
  auto after = must(store().load({before.lane, false}));
  CHECK(after.map_version.value > before.map_version.value + 1);
  CHECK(after.epoch.value == before.epoch.value + 1);
  CHECK(after.state == lane_state::active);
  CHECK(after.waiting.empty());
  CHECK(after.next_seq.value > before.next_seq.value);
  CHECK(must(lane_admin{*conn, {}}.halted_partitions("past")).empty());
  CHECK(
    db.value("SELECT count(*) || ' ' || min(\"offset\") || ' ' || min(stage) "
             "|| ' ' || bool_and(reason LIKE '%given up%') FROM "
             "millrace.dead_letter WHERE pipeline = 'past'")
    == "1 42 waiting true");
  CHECK(db.value("SELECT command || ' ' || object || ' ' || reason || ' ' || "
                 "(before->'partitions'->0->>'floor') || ' ' || "
                 "(after->>'waiting_dead') FROM millrace.admin_action WHERE "
                 "command LIKE '%give-up'")
        == "lanes backfills --give-up past why 60 1");
  // A node that has it in its configuration still finds it so.
  must(boot_past());
  CHECK(view("past").finished());
  // Nothing keeps tenants any more.
  CHECK_FALSE(tenants_stay(must(list_backfills(*conn)), "orders"));
}

TEST_CASE_METHOD(fixture, "a backfill that was given up is not ended by a "
                          "later map") {
  must(boot_past());
  must(give_up_backfill(*conn, "past", note));
  // The configuration does not have it any more.
  CHECK(must(change({"fees", "orders"}, {})).backfills.empty());
  CHECK(view("orders").held_by.empty());
  CHECK(view("past").finished());
}

TEST_CASE_METHOD(fixture, "only what is still to come is given up") {
  auto why = [&] { return why_not(give_up_backfill(*conn, "past", note)); };
  CHECK_THAT(why(), ContainsSubstring("there is no backfill past"));
  must(boot_past());
  must(change({"fees", "orders"}));
  finish_past();
  CHECK_THAT(why(),
             ContainsSubstring("past is done: nothing of it is to come"));
  floor_at("past", 90);
  CHECK(why() == "done");
  CHECK_THAT(why(), ContainsSubstring("past is given up"));
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action WHERE command "
                 "LIKE '%give-up'")
        == "1");
}
