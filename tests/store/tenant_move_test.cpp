// What databases note when tenants move between them (protocol.md, rule 25).

#include "actors/store/map_change.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using homes = std::map<std::string, std::string>;

struct fixture : store_fixture {
  map_changes maps{*conn, {"me", "here", "lanes change", "why"}};
  std::string pipeline{"p"};
  tenant_moves moves{*conn, pipeline};
  new_map wanted{"p", 7, 2, {{"demo", rows_of}, {"more", rows_of}}};
  uuid set = uuid::random();

  waiting_remap remap = [](const waiting_event&, const lane_id& from) {
    return remapped_event{from, {}, {}};
  };

  uuid plan() {
    auto from = must(maps.stored("p"))->version;
    return must(maps.plan(wanted, from, 60s));
  }

  static partition_marks marks(int64_t first, int64_t second) {
    return {{{topic_id, partition{0}}, offset{first}},
            {{topic_id, partition{1}}, offset{second}}};
  }

  store_errc code_of(const store_result<map_switch>& x) {
    REQUIRE_FALSE(x);
    return x.error().code;
  }

  std::string fingerprint() const {
    return db.value("SELECT map_fingerprint FROM millrace.pipeline");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a fenced database is written by nobody, whatever "
                          "program he has") {
  auto row = take();
  auto before = fingerprint();
  must(moves.fence(plan(), set, {{"more", "west"}}));
  CHECK(fingerprint() == "0");
  CHECK(run(flush_of(row, batch_of(100, 110))).verdict
        == flush_verdict::refused);
  auto booted = store().boot(boot_of(2));
  REQUIRE_FALSE(booted);
  CHECK(booted.error().code == store_errc::other_map);
  auto found = must(moves.fenced());
  REQUIRE(found);
  CHECK(found->set == set);
  CHECK(found->fingerprint == 7);
  CHECK(found->lanes == 2);
  CHECK(found->arrivals
        == std::map<std::string, std::string>{{"more", "west"}});
  CHECK_FALSE(must(moves.switched(set)));

  SECTION("until it is taken back") {
    must(moves.unfence(*found, "a test"));
    CHECK(fingerprint() == before);
    CHECK_FALSE(must(moves.fenced()));
    CHECK(must(store().boot(boot_of(2))).map_version == map_version{3});
    CHECK(run(flush_of(row, batch_of(100, 110))).verdict
          == flush_verdict::refused);
    CHECK(db.value("SELECT state || ' ' || why FROM millrace.map_change")
          == "aborted a test");
  }
  SECTION("until its new tenants come, each where it was left") {
    switch_moves with;
    with.set = set;
    with.arriving = {{"more", marks(150, 100)}};
    // One that is not known here yet.
    with.arriving["more"][{topic_id, partition{2}}] = offset{170};
    must(maps.switch_over(plan(), wanted, remap, with));
    CHECK(fingerprint() == "7");
    CHECK_FALSE(must(moves.fenced()));
    CHECK(db.value("SELECT string_agg(concat_ws(' ', tenant, shard, "
                   "next_off::text), '; ' ORDER BY tenant, shard) FROM "
                   "millrace.lane")
          == "demo 0 {100,100}; demo 1 {100,100}; more 0 {150,100}; more 1 "
             "{150,100}");
    CHECK(must(moves.switched(set)) == marks(100, 100));
    auto boot = boot_of(3);
    boot.map_fingerprint = 7;
    boot.tenants = wanted.tenants;
    must(store().boot(boot));
    CHECK(db.value("SELECT string_agg(concat_ws(' ', tenant, "
                   "next_off::text), '; ' ORDER BY tenant) FROM millrace.lane "
                   "WHERE shard = 0")
          == "demo {100,100,100}; more {150,100,170}");
  }
}

TEST_CASE_METHOD(fixture, "a database is fenced at its barrier only") {
  auto row = take();
  REQUIRE(run(flush_of(row, batch_of(100, 110))).verdict
          == flush_verdict::committed);
  auto early = moves.fence(plan(), set, {{"more", "west"}});
  REQUIRE_FALSE(early);
  CHECK(early.error().code == store_errc::retry);
  CHECK(db.value("SELECT state FROM millrace.map_change") == "planned");
}

TEST_CASE_METHOD(fixture, "a tenant is handed over at an offset that the other "
                          "database has not passed") {
  wanted.tenants.pop_back();
  switch_moves with;
  with.set = set;
  with.leaving = {"gone"};
  with.receivers = {marks(100, 101)};
  auto id = plan();
  CHECK(code_of(maps.switch_over(id, wanted, remap, with))
        == store_errc::retry);
  with.receivers = {marks(100, 90)};
  must(maps.switch_over(id, wanted, remap, with));
  CHECK(must(moves.switched(set)) == marks(100, 100));
}

TEST_CASE(
  "who receives a tenant may have passed nothing that it was not given") {
  auto a = uuid::random();
  partition_marks one{{{a, partition{0}}, offset{5}}};
  partition_marks two{{{a, partition{0}}, offset{5}},
                      {{a, partition{1}}, offset{0}}};
  CHECK_FALSE(hand_over_problem(two, two));
  CHECK_THAT(hand_over_problem(one, two).value_or("none"),
             ContainsSubstring("not known yet where the tenant comes from"));
  CHECK_FALSE(hand_over_problem(two, one));
  partition_marks later{{{a, partition{0}}, offset{6}}};
  CHECK_FALSE(hand_over_problem(later, one));
  CHECK_THAT(hand_over_problem(one, later).value_or("none"),
             ContainsSubstring("read up to 5"));
}

TEST_CASE_METHOD(fixture, "a database that all tenants had left gives no seq "
                          "twice") {
  db.execute("INSERT INTO millrace.dead_letter (pipeline, tenant, shard, seq, "
             "topic, topic_name, partition, \"offset\", headers, stage, "
             "reason) VALUES ('p', 'demo', 0, 41, gen_random_uuid(), 't', 0, "
             "7, '', 'map', 'a test')");
  db.execute("UPDATE millrace.lane SET next_seq = 42");
  auto all = std::exchange(wanted.tenants, {});
  CHECK(must(maps.switch_over(plan(), wanted, remap)).lanes_removed == 2);
  wanted.tenants = all;
  must(maps.switch_over(plan(), wanted, remap));
  CHECK(db.value("SELECT string_agg(DISTINCT next_seq::text, ' ') FROM "
                 "millrace.lane")
        == "42");
}

TEST_CASE_METHOD(fixture, "what waits keeps its tenant from going to another "
                          "database") {
  db.execute("INSERT INTO millrace.waiting (pipeline, tenant, shard, seq, "
             "topic, topic_name, partition, \"offset\", headers, touches, "
             "reason) VALUES ('p', 'demo', 0, 1, gen_random_uuid(), 't', 0, 7, "
             "'', '', 'a test')");
  CHECK(must(moves.waiting({"demo"})) == 1);
  CHECK(must(moves.waiting({"more"})) == 0);
  switch_moves with;
  with.set = set;
  with.leaving = {"demo"};
  auto refused = maps.switch_over(plan(), wanted, remap, with);
  CHECK(code_of(refused) == store_errc::refused);
  CHECK_THAT(refused.error().message, ContainsSubstring("wait"));
}

TEST_CASE_METHOD(fixture, "the control database notes where its tenants are, "
                          "and from where on") {
  auto state = [&] {
    return db.value("SELECT (SELECT string_agg(tenant || '@' || database, ' ' "
                    "ORDER BY tenant) FROM millrace.tenant_home) || ' ' || "
                    "(SELECT string_agg(tenant || start, ' ' ORDER BY tenant, "
                    "partition) FROM millrace.tenant_start)");
  };
  switch_moves with;
  with.set = set;
  with.homes = homes{{"x", "west"}, {"y", "west"}};
  must(maps.switch_over(plan(), wanted, remap, with));
  CHECK(state() == "x@west y@west x100 x100 y100 y100");
  // Who is there already keeps his beginning; who came here has none.
  db.execute("UPDATE millrace.partition_floor SET floor = 200");
  with.homes = homes{{"x", "east"}, {"z", "west"}};
  must(maps.switch_over(plan(), wanted, remap, with));
  CHECK(state() == "x@east z@west x100 x100 y100 y100 z200 z200");
  must(moves.note_home("x", "north"));
  CHECK(db.value("SELECT database FROM millrace.tenant_home WHERE tenant = "
                 "'x'")
        == "north");
}
