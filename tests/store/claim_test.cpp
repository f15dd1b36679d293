#include "actors/store/sql_text.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <functional>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

struct fixture : store_fixture {
  lane_row row = take();

  claim good() const {
    claim c;
    c.lane = lane;
    c.epoch = row.epoch;
    c.owner = *std::optional<uuid>{row.owner};
    c.next_seq = row.next_seq;
    c.seqs = 3;
    c.map_version = map_version{1};
    c.shape = rows_of;
    c.ranges = {{slot{0}, offset{100}, {offset{100}, offset{110}}, offset{100}},
                {slot{1}, offset{100}, {offset{90}, offset{120}}, {}}};
    return c;
  }

  /// The SQLSTATE with which it was refused, or empty.
  std::string attempt(const claim& c) {
    auto result = conn->in_transaction([&]() -> store_result<void> {
      auto done = conn->query(claim_statement(c));
      if (!done)
        return std::unexpected{done.error()};
      return {};
    });
    return result ? std::string{} : result.error().sqlstate;
  }

  std::string state() const {
    return db.value("SELECT next_seq || ' ' || next_off::text FROM "
                    "millrace.lane WHERE shard = 0");
  }
};

struct bad_claim {
  const char* what;
  std::function<void(claim&)> spoil;
};

} // namespace

TEST_CASE_METHOD(fixture, "a claim that holds moves the offsets and the seq") {
  CHECK(attempt(good()) == "");
  CHECK(state() == "4 {110,120}");
}

TEST_CASE_METHOD(fixture, "a claim without ranges takes its seqs alone") {
  auto c = good();
  c.ranges.clear();
  CHECK(attempt(c) == "");
  CHECK(state() == "4 {100,100}");
}

TEST_CASE_METHOD(fixture, "a claim is refused as a whole when anything in it "
                          "does not hold") {
  auto x = GENERATE(
    bad_claim{"epoch", [](claim& c) { ++c.epoch.value; }},
    bad_claim{"owner", [](claim& c) { c.owner = uuid::random(); }},
    bad_claim{"next_seq", [](claim& c) { --c.next_seq.value; }},
    bad_claim{"no seqs", [](claim& c) { c.seqs = 0; }},
    bad_claim{"map_version", [](claim& c) { ++c.map_version.value; }},
    bad_claim{"shape", [](claim& c) { ++c.shape.value; }},
    bad_claim{"pipeline", [](claim& c) { c.lane.pipeline = "q"; }},
    bad_claim{"tenant", [](claim& c) { c.lane.tenant = "it's"; }},
    bad_claim{"shard", [](claim& c) { c.lane.number.value = 7; }},
    bad_claim{"old offset", [](claim& c) { --c.ranges[1].old_next.value; }},
    bad_claim{"from above effective",
              [](claim& c) { c.ranges[1].range.from = offset{101}; }},
    bad_claim{"to at effective",
              [](claim& c) { c.ranges[1].range.to = offset{100}; }},
    bad_claim{"first event below effective",
              [](claim& c) { c.ranges[1].first_event = offset{99}; }},
    bad_claim{"a slot that is not there",
              [](claim& c) { c.ranges[1].at = slot{2}; }});
  INFO(x.what);
  auto c = good();
  x.spoil(c);
  CHECK(attempt(c) == "MR001");
  CHECK(state() == "1 {100,100}");
}

TEST_CASE_METHOD(fixture, "a lane that is not active refuses claims") {
  auto state = GENERATE("parked", "halted");
  db.execute("UPDATE millrace.lane SET state = '" + std::string{state} + "'");
  CHECK(attempt(good()) == "MR001");
}

TEST_CASE_METHOD(fixture, "a claim is judged by the floor where that is "
                          "higher than the lane's own offset") {
  db.execute("UPDATE millrace.partition_floor SET floor = 105 WHERE slot = 1");
  auto c = good();
  SECTION("rows below the floor are refused") {
    CHECK(attempt(c) == "MR001");
  }
  SECTION("rows from the floor on are taken, the old offset stays the lane's") {
    c.ranges[0].first_event = offset{105};
    CHECK(attempt(c) == "");
    CHECK(state() == "4 {110,120}");
  }
  SECTION("a range that ends at the floor is refused") {
    c.ranges[0].range.to = offset{105};
    c.ranges[0].first_event.reset();
    CHECK(attempt(c) == "MR001");
  }
  SECTION("a range may begin between the lane's offset and the floor") {
    c.ranges[0].range.from = offset{105};
    c.ranges[0].first_event = offset{105};
    CHECK(attempt(c) == "");
  }
}

TEST_CASE_METHOD(fixture, "a claim that waits for another one is judged by "
                          "what that one left") {
  auto first = open();
  must(first.run("BEGIN"));
  must(first.query(claim_statement(good())));
  std::jthread committing{[&first] {
    std::this_thread::sleep_for(300ms);
    must(first.run("COMMIT"));
  }};
  CHECK(attempt(good()) == "MR001");
  CHECK(state() == "4 {110,120}");
}

TEST_CASE_METHOD(fixture, "the claim tells column defaults who writes, for its "
                          "transaction only") {
  auto read = [&] {
    auto rows = must(conn->query("SELECT current_setting('millrace.seq', true) "
                                 "|| '/' || current_setting('millrace.epoch', "
                                 "true) || '/' || "
                                 "current_setting('millrace.lane', true)"))
                  .rows;
    return rows.at(0).at(0).value_or("");
  };
  must(conn->run("BEGIN"));
  must(conn->query(claim_statement(good())));
  CHECK(read() == "1/1/p/demo/0");
  must(conn->run("COMMIT"));
  CHECK(read() == "//");
}

TEST_CASE_METHOD(fixture, "claims update the lane's row in place, without "
                          "touching an index") {
  for (int i = 0; i < 200; ++i) {
    auto c = good();
    c.ranges.clear();
    c.seqs = 1;
    c.next_seq.value += i;
    REQUIRE(attempt(c) == "");
  }
  must(conn->query("SELECT pg_stat_force_next_flush()"));
  // Not all: somebody else's snapshot, such as autovacuum's, can keep the page
  // full for a moment. An index on a changing column would make it none.
  CHECK(db.value("SELECT n_tup_upd >= 200 AND n_tup_hot_upd >= 0.8 * n_tup_upd "
                 "FROM pg_stat_user_tables WHERE relname = 'lane'")
        == "t");
}

TEST_CASE("a claim that names a slot twice is never sent") {
  claim c;
  c.ranges = {{slot{0}, offset{1}, {offset{1}, offset{2}}, {}},
              {slot{0}, offset{1}, {offset{1}, offset{3}}, {}}};
  CHECK_THROWS_AS(claim_statement(c), std::invalid_argument);
}
