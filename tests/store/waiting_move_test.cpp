// Waiting events move to the lanes of another map (protocol.md, rule 25).

#include "actors/store/map_change.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <format>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Each event touches one row, whose number is its value; the lane is that
/// number modulo the lanes.
struct fixture : store_fixture {
  map_changes maps{*conn, {"me", "here", "lanes change", "why"}};
  std::vector<int64_t> seen;

  static touched_row row_of(int64_t number) {
    return {{7, static_cast<uint64_t>(number)}, true};
  }

  /// Put aside in lane `shard` at second `since`.
  void wait(int shard, int64_t number, int partition, int64_t at, int since,
            const std::string& row) {
    db.execute(std::format(
      "INSERT INTO millrace.waiting (pipeline, tenant, shard, seq, topic, "
      "topic_name, partition, \"offset\", key, headers, value, touches, "
      "sqlstate, reason, since) VALUES ('p', 'demo', {}, {}, '{}', 'events', "
      "{}, {}, '\\x00ff', '\\x', convert_to('{}', 'UTF8'), '', '23503', 'no "
      "parent', to_timestamp({}))",
      shard, number, to_string(topic_id), partition, at, row,
      1'700'000'000 + since));
    db.execute("UPDATE millrace.lane SET next_seq = greatest(next_seq, "
               + std::to_string(number + 1)
               + ") WHERE shard = " + std::to_string(shard));
  }

  waiting_remap to_lanes(int lanes) {
    return [this, lanes](const waiting_event& x, const lane_id& from) {
      CHECK(from.pipeline == "p");
      seen.push_back(x.record.at.value);
      auto row = std::stoll(x.record.value);
      return remapped_event{{"p", "demo",
                             shard{static_cast<int32_t>(row % lanes)}},
                            {row_of(row)},
                            {}};
    };
  }

  store_result<map_switch> change(int lanes, const waiting_remap& remap) {
    auto from = must(maps.stored("p"))->version;
    new_map to{"p", 7, lanes, {{"demo", rows_of}}};
    to.fingerprint += static_cast<uint64_t>(from.value);
    auto id = must(maps.plan(to, from, 60s));
    auto done = maps.switch_over(id, to, remap);
    if (!done)
      must(maps.abort(id, "a test"));
    return done;
  }

  /// Of each lane "shard: partition@offset …", in the order of the seqs.
  std::string order() const {
    return db.value("SELECT string_agg(s, '; ' ORDER BY shard) FROM (SELECT "
                    "shard, shard || ': ' || string_agg(partition || '@' || "
                    "\"offset\", ' ' ORDER BY seq) AS s FROM millrace.waiting "
                    "GROUP BY shard) x");
  }

  /// What must hold for a writer that takes a lane over.
  void check_numbers() const {
    CHECK(db.value("SELECT count(*) FROM (SELECT seq FROM millrace.waiting "
                   "UNION ALL SELECT seq FROM millrace.dead_letter) w WHERE "
                   "seq >= (SELECT min(next_seq) FROM millrace.lane)")
          == "0");
    CHECK(db.value("SELECT count(*) = count(DISTINCT seq) FROM (SELECT seq "
                   "FROM millrace.waiting UNION ALL SELECT seq FROM "
                   "millrace.dead_letter) w")
          == "t");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "waiting events go to the lanes of the new map, in "
                          "the order of the offsets") {
  // The second lane was late with partition 0.
  wait(0, 11, 0, 10, 1, "0");
  wait(0, 12, 1, 5, 2, "2");
  wait(0, 13, 0, 30, 3, "4");
  wait(1, 7, 0, 20, 9, "5");
  wait(1, 8, 1, 4, 9, "1");
  wait(1, 9, 0, 21, 10, "5");
  auto done = must(change(5, to_lanes(5)));
  CHECK(done.waiting.moved == 6);
  CHECK(done.waiting.dead == 0);
  CHECK(order() == "0: 0@10 0@20 0@21; 1: 1@4; 2: 1@5; 4: 0@30");
  check_numbers();
  // A lane sees the touches of the new map, and the raw record.
  lane = {"p", "demo", shard{4}};
  auto row = take();
  REQUIRE(row.waiting.size() == 1);
  CHECK(row.waiting[0].touches == std::vector{row_of(4)});
  auto event = must(store().waiting({lane, seq{}, 10, 1'000, 0})).events.at(0);
  CHECK(event.record.key == std::string{"\0\xff", 2});
  CHECK(event.record.at == offset{30});

  // All together in one: 0@30 was put aside before 0@20, in another lane.
  CHECK(must(change(1, to_lanes(1))).waiting.moved == 6);
  CHECK(order() == "0: 0@10 0@20 1@4 1@5 0@21 0@30");
  check_numbers();
  CHECK(must(change(2, to_lanes(2))).waiting.moved == 6);
  CHECK(order() == "0: 0@10 1@5 0@30; 1: 0@20 1@4 0@21");
  check_numbers();
}

TEST_CASE_METHOD(fixture, "what the new map cannot write is a dead letter with "
                          "its record and both reasons") {
  wait(0, 11, 0, 10, 1, "0");
  wait(1, 7, 0, 20, 9, "1");
  auto remap = [](const waiting_event& x, const lane_id& from) {
    if (x.record.at == offset{20})
      return remapped_event{from, {row_of(1)}, {}};
    return remapped_event{{"p", "_unrouted", shard{0}},
                          {},
                          "no tenant \xff 'demo'"};
  };
  auto done = must(change(2, remap));
  CHECK(done.waiting.moved == 1);
  CHECK(done.waiting.dead == 1);
  CHECK(order() == "1: 0@20");
  CHECK(db.value("SELECT concat_ws('|', tenant, shard, stage, sqlstate, key, "
                 "value, partition, \"offset\", topic_name) FROM "
                 "millrace.dead_letter")
        == "_unrouted|0|waiting|23503|\\x00ff|\\x30|0|10|events");
  auto reason = db.value("SELECT reason FROM millrace.dead_letter");
  CHECK_THAT(reason, ContainsSubstring("no parent; then the map changed: "));
  CHECK_THAT(reason, ContainsSubstring("'demo'"));
  check_numbers();
  CHECK(db.value("SELECT concat_ws('|', after->>'waiting_moved', "
                 "after->>'waiting_dead') FROM millrace.admin_action")
        == "1|1");
}

TEST_CASE_METHOD(fixture, "events of one lane that write the same row are not "
                          "parted") {
  wait(0, 11, 0, 10, 1, "0");
  wait(0, 12, 0, 11, 1, "2");
  wait(1, 7, 0, 20, 9, "1");
  // All touch one row; the lanes are as before, or each has its own.
  auto all_same = [](int lanes) {
    return [lanes](const waiting_event& x, const lane_id&) {
      auto row = std::stoll(x.record.value);
      return remapped_event{{"p", "demo",
                             shard{static_cast<int32_t>(row % lanes)}},
                            {row_of(9)},
                            {}};
    };
  };
  auto parted = change(3, all_same(3));
  REQUIRE_FALSE(parted);
  CHECK(parted.error().code == store_errc::refused);
  CHECK_THAT(parted.error().message, ContainsSubstring("lane p/demo/0"));
  CHECK(order() == "0: 0@10 0@11; 1: 0@20");
  CHECK(db.value("SELECT map_version FROM millrace.pipeline") == "1");
  // Two lanes had no order before.
  CHECK(must(change(2, all_same(2))).waiting.moved == 3);
}

TEST_CASE_METHOD(fixture, "a lane that is not there takes no waiting event") {
  wait(0, 11, 0, 10, 1, "0");
  auto lost = change(1, [](const waiting_event&, const lane_id&) {
    return remapped_event{{"p", "demo", shard{1}}, {}, {}};
  });
  REQUIRE_FALSE(lost);
  CHECK_THAT(lost.error().message, ContainsSubstring("no lane demo/1"));
  CHECK(order() == "0: 0@10");
}

TEST_CASE_METHOD(fixture, "waiting events are mapped page by page, a large one "
                          "alone") {
  db.execute(std::format(
    "INSERT INTO millrace.waiting (pipeline, tenant, shard, seq, topic, "
    "topic_name, partition, \"offset\", headers, value, touches, reason) "
    "SELECT 'p', 'demo', i % 2, i, '{}', 'events', 0, i, CASE i WHEN 150 THEN "
    "convert_to(repeat('x', 5000000), 'UTF8') ELSE '' END, convert_to(i::text, "
    "'UTF8'), '', 'none' FROM generate_series(1, 300) i",
    to_string(topic_id)));
  db.execute("UPDATE millrace.lane SET next_seq = 301");
  CHECK(must(change(3, to_lanes(3))).waiting.moved == 300);
  REQUIRE(seen.size() == 300);
  CHECK(std::ranges::is_sorted(seen));
  CHECK(db.value("SELECT count(*) FROM millrace.waiting WHERE shard = "
                 "convert_from(value, 'UTF8')::int % 3")
        == "300");
  check_numbers();
}

TEST_CASE_METHOD(fixture, "nothing waits for a program that has another map "
                          "than the pipeline") {
  wait(0, 11, 0, 10, 1, "0");
  auto ask = [&](uint64_t fingerprint, int32_t lanes) {
    return must(store().waiting(
                  {lane, seq{}, 10, 1'000, 0, program_map{fingerprint, lanes}}))
      .count;
  };
  auto mine = boot_of(2).map_fingerprint;
  CHECK(ask(mine, 2) == 1);
  CHECK(ask(mine + 1, 2) == 0);
  CHECK(ask(mine, 3) == 0);
  must(change(2, to_lanes(2)));
  CHECK(ask(mine, 2) == 0);
  CHECK(ask(8, 2) == 1);
}
