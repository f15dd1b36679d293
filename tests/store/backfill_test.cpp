// Backfills in the database: where they end, who waits for them, and what is
// void (rule 25).

#include "actors/store/backfill_list.hpp"
#include "actors/store/backup_facts.hpp"
#include "actors/store/dead_letters.hpp"
#include "tests/store/backfill_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;
using names = std::vector<std::string>;

namespace {

using fixture = backfill_fixture;

} // namespace

TEST_CASE_METHOD(fixture, "a backfill follows the floor of the other "
                          "pipeline") {
  must(boot_past());
  CHECK(view("past").until == offset{100});
  CHECK_FALSE(view("past").ends);
  floor_at("orders", 130);
  CHECK(view("past").until == offset{130});
  CHECK_FALSE(view("orders").until);
  CHECK_FALSE(view("orders").changing);
  // A partition that the other one has not found is not for it.
  db.execute("DELETE FROM millrace.partition_floor WHERE pipeline = 'orders' "
             "AND partition = 0");
  CHECK(view("past").until == offset{0});
}

TEST_CASE_METHOD(fixture, "it ends where the other pipeline begins to write "
                          "its tables, and that one waits for it") {
  must(boot_past());
  floor_at("orders", 130);
  floor_at("past", 120);
  auto mine = view("past").lanes.at(0).lane;
  auto row = must(store().takeover({mine, uuid::random(), "n1"}));
  auto done = must(change({"fees", "orders"}));
  REQUIRE(done.backfills.size() == 1);
  CHECK(done.backfills[0].holds);
  floor_at("orders", 140);
  CHECK(view("past").until == offset{130});
  CHECK(view("past").ends);
  CHECK_FALSE(view("past").finished());
  CHECK(view("orders").held_by == "past");
  CHECK(view("orders").changing);
  // What was on its way by views of before is void.
  auto now = must(store().load({mine, false}));
  CHECK(now.map_version.value > row.map_version.value + 1);
  CHECK(now.owner != row.owner);

  floor_at("past", 130);
  CHECK(view("past").finished());
  CHECK(view("orders").held_by.empty());
  CHECK_FALSE(view("orders").changing);
  // Only where it has come to its end.
  CHECK(must(store().view({"orders", {topic_id, partition{1}}})).held_by
        == "past");
}

TEST_CASE_METHOD(fixture, "an event of it that waits is waited for as well") {
  must(boot_past());
  must(change({"fees", "orders"}));
  floor_at("past", 100);
  CHECK(view("orders").held_by.empty());
  db.execute("INSERT INTO millrace.waiting (pipeline, tenant, shard, seq, "
             "topic, topic_name, partition, \"offset\", headers, touches, "
             "reason) VALUES ('past', 'demo', 0, 1, '"
             + to_string(topic_id) + "', 'events', 0, 99, '', '', 'x')");
  CHECK(view("orders").held_by == "past");
}

TEST_CASE_METHOD(fixture, "where any order will do nobody waits") {
  must(boot_past());
  must(change({"fees", "orders"}, {{"past", false}}));
  CHECK(view("past").ends);
  CHECK(view("orders").held_by.empty());
}

TEST_CASE_METHOD(fixture, "a map without its tables leaves a backfill as it "
                          "is") {
  must(boot_past());
  CHECK(must(change({"orders", "legs"}, {})).backfills.empty());
  floor_at("orders", 150);
  CHECK(view("past").until == offset{150});
  CHECK_FALSE(view("past").ends);
}

TEST_CASE_METHOD(fixture, "a map that a backfill could not end with is "
                          "refused") {
  SECTION("as the configuration does not have it") {
    must(boot_past());
    CHECK_THAT(why_not(change({"fees", "orders"}, {})),
               ContainsSubstring("which the configuration does not have"));
  }
  SECTION("as it writes some of its tables") {
    must(boot("past", {"fees", "taxes"}, boot_backfill{"orders", false}));
    CHECK_THAT(why_not(change({"fees", "orders"})),
               ContainsSubstring("some of the tables")
                 && ContainsSubstring("fees and taxes"));
  }
  SECTION("as a failover has left it beyond the barrier") {
    must(boot_past());
    db.execute("UPDATE millrace.lane SET next_off[1] = 101 WHERE pipeline = "
               "'past'");
    auto early = change({"fees", "orders"});
    REQUIRE_FALSE(early);
    CHECK(early.error().code == store_errc::retry);
    CHECK_THAT(why_not(early), ContainsSubstring("beyond the barrier"));
    floor_at("orders", 101);
    CHECK(why_not(change({"fees", "orders"})) == "done");
  }
  CHECK(db.value("SELECT count(*) FROM millrace.written_table WHERE pipeline = "
                 "'orders'")
        == (view("orders").map_version.value == 1 ? "1" : "2"));
}

TEST_CASE_METHOD(fixture, "a backfill that begins after the change ends where "
                          "that was") {
  floor_at("orders", 130);
  must(change({"fees", "orders"}, {}));
  floor_at("orders", 170);
  CHECK_THAT(why_not(boot_past(true)),
             ContainsSubstring("an older event would replace a newer row"));
  must(boot_past());
  CHECK(view("past").until == offset{130});
  CHECK(view("past").ends);
  CHECK(view("orders").held_by.empty());
  // A second boot finds it as it is.
  must(boot_past());
  CHECK(view("past").until == offset{130});
}

TEST_CASE_METHOD(fixture, "records that Kafka does not have any more are "
                          "told") {
  floor_at("orders", 130);
  must(change({"fees", "orders"}, {}));
  auto done = must(boot_past(false, 110));
  REQUIRE(done.lacking.size() == 1);
  CHECK(done.lacking[0].number == partition{0});
  CHECK(done.lacking[0].range == offset_range{{100}, {110}});
  // Told once, but it stays written down.
  CHECK(must(boot_past(false, 110)).lacking.empty());
  auto all = must(list_backfills(*conn));
  REQUIRE(all.size() == 1);
  CHECK(all[0].tables == names{"fees"});
  CHECK(all[0].of == "orders");
  CHECK(all[0].behind() == 20);
  CHECK_FALSE(all[0].done());
  REQUIRE(all[0].partitions.size() == 2);
  CHECK(all[0].partitions[0].lacks == offset_range{{100}, {110}});
  // The other partition ended at 100 and begins behind it.
  CHECK_FALSE(all[0].partitions[1].lacks);
  floor_at("past", 130);
  CHECK(must(list_backfills(*conn))[0].done());
}

TEST_CASE_METHOD(fixture, "of a backfill that is done nothing is wanted of "
                          "Kafka") {
  must(boot_past());
  must(change({"fees", "orders"}));
  floor_at("past", 100);
  auto facts = must(read_facts(*conn));
  for (const auto& x : facts.partitions)
    if (x.source == source)
      CHECK(x.retired == (x.pipeline == "past"));
  auto all = must(lane_admin{*conn, {}}.list({"past", {}, {}, false}));
  CHECK(all.at(0).partitions.at(0).until == offset{100});
}

TEST_CASE_METHOD(fixture, "a pipeline stays what it began as") {
  CHECK_THAT(why_not(boot("orders", {"orders"}, boot_backfill{"p", false})),
             ContainsSubstring("has begun without backfills"));
  must(boot_past());
  CHECK_THAT(why_not(boot("past", {"fees"})),
             ContainsSubstring("is a backfill of orders and stays one"));
  CHECK_THAT(why_not(boot("past", {"legs"}, boot_backfill{"orders", false})),
             ContainsSubstring("of other tables than legs"));
  CHECK_THAT(why_not(boot("past", {"fees"}, boot_backfill{"p", false})),
             ContainsSubstring("not of p"));
  auto early = boot("early", {"fees"}, boot_backfill{"nobody", false});
  REQUIRE_FALSE(early);
  CHECK(early.error().code == store_errc::retry);
  CHECK_THAT(why_not(early), ContainsSubstring("has not begun"));
}

TEST_CASE_METHOD(fixture, "no map of a backfill writes other tables than it "
                          "began with") {
  must(boot_past());
  new_map to{"past", 2, 1, {{"demo", rows_of}}, {"fees", "legs"}};
  auto id = must(maps.plan(to, {1}, 60s));
  CHECK_THAT(why_not(maps.switch_over(id, to, remap)),
             ContainsSubstring("a backfill of other tables than fees and "
                               "legs"));
  to.tables = {"fees"};
  CHECK(why_not(maps.switch_over(id, to, remap)) == "done");
  // It is as it was.
  CHECK(view("past").until == offset{100});
}

TEST_CASE_METHOD(fixture, "what was kept of before the barrier is not written "
                          "into tables that are new behind it") {
  floor_at("orders", 130);
  for (auto at : {"129", "130"})
    db.execute("INSERT INTO millrace.waiting (pipeline, tenant, shard, seq, "
               "topic, topic_name, partition, \"offset\", headers, touches, "
               "reason) VALUES ('orders', 'demo', 0, "
               + std::string{at} + ", '" + to_string(topic_id)
               + "', 'events', 0, " + at + ", '', '', 'x')");
  must(change({"fees", "orders"}, {}));
  waiting_request wanted;
  wanted.lane = {"orders", "demo", shard{0}};
  wanted.max_events = 10;
  wanted.max_bytes = 1'000;
  auto seen = must(store().waiting(wanted));
  REQUIRE(seen.events.size() == 2);
  CHECK(seen.events[0].leave_out == names{"fees"});
  CHECK(seen.events[1].leave_out.empty());
  dead_letters letters{*conn, {}};
  dead_letter_key key{{wanted.lane, seq{1}}, source, offset{129}};
  CHECK(must(letters.begun_later(key)) == names{"fees"});
  key.at = offset{130};
  CHECK(must(letters.begun_later(key)).empty());
}
