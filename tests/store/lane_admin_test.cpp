#include "actors/store/lane_admin.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <atomic>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const uuid new_id = *uuid::parse("7b5f0000-0000-4000-8000-000000000002");

struct fixture : store_fixture {
  lane_admin rows{*conn, {"me", "here", "test", "why"}};

  std::string lane_state() const {
    return db.value("SELECT state || ' ' || epoch || ' ' || next_seq || ' ' || "
                    "next_off::text FROM millrace.lane WHERE shard = 0");
  }

  std::string recorded() const {
    return db.value("SELECT count(*) FROM millrace.admin_action WHERE os_user "
                    "= 'me' AND host = 'here' AND role = session_user AND "
                    "reason = 'why'");
  }

  lane_skip skip_to(int64_t to, int64_t from = 100, int64_t in_epoch = 1) {
    return {lane,
            "events",
            {topic_id, partition{0}},
            slot{0},
            {offset{from}, offset{to}},
            epoch{in_epoch}};
  }

  store_errc code_of(const store_result<void>& x) {
    return x ? store_errc{} : x.error().code;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a lane is halted under a new epoch and resumed "
                          "under the same") {
  auto row = take();
  must(rows.halt(lane));
  CHECK(lane_state() == "halted 2 1 {100,100}");
  auto late = run(flush_of(row, batch_of(100, 105)));
  CHECK(late.verdict == flush_verdict::refused);
  CHECK(code_of(rows.halt(lane)) == store_errc::refused);
  must(rows.resume(lane));
  CHECK(lane_state() == "active 2 1 {100,100}");
  CHECK(code_of(rows.resume(lane)) == store_errc::refused);
  CHECK(code_of(rows.resume({"p", "demo", shard{9}})) == store_errc::no_lane);
  CHECK(recorded() == "2");
}

TEST_CASE_METHOD(fixture, "a skip changes nothing unless the row is what was "
                          "decided about") {
  CHECK(code_of(rows.skip(skip_to(110, 100, 0))) == store_errc::refused);
  must(rows.halt(lane));
  CHECK(code_of(rows.skip(skip_to(110, 99))) == store_errc::refused);
  CHECK(code_of(rows.skip(skip_to(110, 100, 0))) == store_errc::refused);
  CHECK(code_of(rows.skip(skip_to(100))) == store_errc::refused);
  CHECK(code_of(rows.skip(skip_to(90))) == store_errc::refused);
  auto other = skip_to(110);
  other.source.topic = new_id;
  CHECK(code_of(rows.skip(other)) == store_errc::refused);
  CHECK(lane_state() == "halted 1 1 {100,100}");
  CHECK(recorded() == "1");
  must(rows.skip(skip_to(110)));
  CHECK(lane_state() == "halted 2 2 {110,100}");
  CHECK(code_of(rows.skip(skip_to(110))) == store_errc::refused);
  CHECK(recorded() == "2");
}

TEST_CASE_METHOD(fixture, "a skip begins at the floor where that is ahead of "
                          "the lane") {
  must(rows.halt(lane));
  db.execute("UPDATE millrace.partition_floor SET floor = 120 WHERE slot = 1");
  CHECK(code_of(rows.skip(skip_to(110))) == store_errc::refused);
  CHECK(code_of(rows.skip(skip_to(130))) == store_errc::refused);
  must(rows.skip(skip_to(130, 120)));
  CHECK(lane_state() == "halted 2 2 {130,100}");
}

TEST_CASE_METHOD(fixture, "of two skips at once one is made") {
  must(rows.halt(lane));
  auto second = open();
  std::atomic<int> made = 0;
  auto skip = [&](connection& on) {
    if (lane_admin{on, {"me", "here", "test", "why"}}.skip(skip_to(110)))
      ++made;
  };
  {
    std::jthread other{[&] { skip(second); }};
    skip(*conn);
  }
  CHECK(made == 1);
  CHECK(lane_state() == "halted 2 2 {110,100}");
}

TEST_CASE_METHOD(fixture, "an adopted topic has slots of its own, and boots "
                          "from then on") {
  topic_adoption work{"p", "events", new_id, {offset{3}, offset{0}, offset{7}}};
  CHECK(must(rows.adopt(work)) == topic_id);
  CHECK(lane_state() == "active 0 1 {100,100,3,0,7}");
  CHECK(db.value("SELECT string_agg(slot || '=' || partition || '@' || floor, "
                 "' ' ORDER BY slot) FROM millrace.partition_floor WHERE topic "
                 "= '"
                 + to_string(new_id) + "'")
        == "3=0@3 4=1@0 5=2@7");
  auto again = rows.adopt(work);
  REQUIRE_FALSE(again);
  CHECK_THAT(again.error().message, ContainsSubstring("nothing to adopt"));
  auto unknown = work;
  unknown.topic = "other";
  CHECK_FALSE(rows.adopt(unknown));
  unknown.pipeline = "q";
  CHECK_FALSE(rows.adopt(unknown));
  CHECK(recorded() == "1");

  auto request = boot_of(3);
  request.topics[0].id = new_id;
  auto booted = must(store().boot(request));
  CHECK(booted.partitions.size() == 5);
  auto listed = must(rows.list({"p", "demo", {}, false}));
  REQUIRE(listed.size() == 2);
  CHECK(listed[0].partitions.size() == 3);
  CHECK(listed[0].partitions[2].effective == offset{7});
  // A writer of the old topic meets its own slots still.
  auto row = take();
  CHECK(run(flush_of(row, batch_of(100, 105))).verdict
        == flush_verdict::committed);
}
