#include "actors/lane/lane_core.hpp"
#include "actors/lane/reject_breaker.hpp"
#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("fewer than a thousand events count as a thousand") {
  reject_breaker aut{0.2};
  CHECK_FALSE(aut.would_trip({.events = 200, .rejects = 200}));
  CHECK(aut.would_trip({.events = 201, .rejects = 201}));
  CHECK_FALSE(aut.would_trip({.events = 10'000, .rejects = 2'000}));
  CHECK(aut.would_trip({.events = 10'000, .rejects = 2'001}));
}

TEST_CASE("rejects are counted over flushes, and forgotten in time") {
  reject_breaker aut{0.2};
  for (int i = 0; i < 4; ++i)
    aut.count({.events = 100, .rejects = 50}, "r" + std::to_string(i));
  CHECK(aut.first() == "r0");
  CHECK_FALSE(aut.would_trip({.events = 100, .rejects = 0}));
  CHECK(aut.would_trip({.events = 100, .rejects = 1}));
  // Enough good events in between.
  aut.count({.events = 1'000, .rejects = 0}, "");
  CHECK(aut.seen().rejects == 200);
  aut.count({.events = 1'000, .rejects = 0}, "");
  CHECK(aut.seen().rejects == 0);
  CHECK(aut.first().empty());
  CHECK_FALSE(aut.would_trip({.events = 100, .rejects = 50}));
}

TEST_CASE("a ratio of one never trips, and a ratio of zero at once") {
  reject_breaker never{1};
  CHECK_FALSE(never.would_trip({.events = 5'000, .rejects = 5'000}));
  reject_breaker always{0};
  CHECK(always.would_trip({.events = 5'000, .rejects = 1}));
  CHECK_FALSE(always.would_trip({.events = 5'000, .rejects = 0}));
}

namespace {

batch_ptr many_rejects(int64_t from, int64_t n, int64_t rejects) {
  batch_spec x{.from = from, .to = from + n};
  for (int64_t i = 0; i < n; ++i)
    (i < rejects ? x.rejects : x.rows).push_back(from + i);
  auto result = std::make_shared<batch>(*make_sample(x));
  for (auto& r : result->rejects)
    r.reason = "found null, expected a number";
  return result;
}

} // namespace

TEST_CASE("a lane halts before it writes more rejects than its share, and "
          "says which and how many") {
  lane_core core{sample_lane, {}};
  auto row = sample_row({0, 0}, {0, 0});
  core.receive(many_rejects(0, 1'000, 200), slot{0});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(row);
  REQUIRE(core.next_step() == lane_step::flush);
  core.committed();
  CHECK(to_texts(core.take_replies()) == texts{"ack 1000"});
  core.receive(many_rejects(1'000, 500, 101), slot{0});
  CHECK(core.next_step() == lane_step::none);
  CHECK(core.halted() == lane_halt::rejects);
  CHECK(to_texts(core.take_replies()) == texts{"hand back 1000 #1"});
  CHECK_THAT(core.halt_reason(),
             ContainsSubstring("301 of the last 1500 events are rejects"));
  CHECK_THAT(core.halt_reason(), ContainsSubstring("0.2 allows 300"));
  CHECK_THAT(core.halt_reason(),
             ContainsSubstring("decode of ticks/0 at offset 0: found null"));
  CHECK(core.queued_bytes() == 0);

  // After a resume it begins to count anew.
  core.resume();
  core.receive(many_rejects(1'000, 500, 101), slot{0});
  REQUIRE(core.next_step() == lane_step::take_over);
  row.next_off[0] = {1'000};
  core.took_over(row);
  CHECK(core.next_step() == lane_step::flush);
}

TEST_CASE("a flush that is tried again is counted once") {
  lane_core core{sample_lane, {}};
  core.receive(many_rejects(0, 300, 150), slot{0});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(sample_row({0, 0}, {0, 0}));
  for (int i = 0; i < 5; ++i) {
    REQUIRE(core.next_step() == lane_step::flush);
    core.retry();
  }
  CHECK(core.halted() == lane_halt::none);
}
