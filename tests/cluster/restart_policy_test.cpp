#include "actors/cluster/restart_policy.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <deque>
#include <limits>
#include <vector>

using namespace millrace;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

const backoff_config no_chance{
  .initial = 100ms, .max = 1'000ms, .jitter = 0, .healthy_after = 10s};

} // namespace

TEST_CASE("the delay doubles with each failure up to its maximum") {
  std::mt19937_64 chance{1};
  backoff aut{no_chance};
  std::vector<milliseconds> delays;
  for (auto i = 0; i < 6; ++i)
    delays.push_back(aut.next(0s, chance));
  CHECK(
    delays
    == std::vector<milliseconds>{100ms, 200ms, 400ms, 800ms, 1'000ms, 1'000ms});
}

TEST_CASE("a child that lived long enough starts with the first delay again") {
  std::mt19937_64 chance{1};
  backoff aut{no_chance};
  aut.next(0s, chance);
  aut.next(0s, chance);
  CHECK(aut.next(9'999ms, chance) == 400ms);
  CHECK(aut.next(10s, chance) == 100ms);
  CHECK(aut.next(0s, chance) == 200ms);
}

TEST_CASE("the delay does not overflow after a million failures") {
  std::mt19937_64 chance{1};
  backoff aut{no_chance};
  for (auto i = 0; i < 1'000'000; ++i)
    aut.next(0s, chance);
  CHECK(aut.next(0s, chance) == 1'000ms);
}

TEST_CASE("chance only shortens a delay, and by no more than its share") {
  auto config = no_chance;
  config.jitter = 0.25;
  std::mt19937_64 chance{7};
  auto shortened = 0;
  for (auto round = 0; round < 1'000; ++round) {
    backoff aut{config};
    for (auto full : {100ms, 200ms, 400ms, 800ms, 1'000ms}) {
      auto delay = aut.next(0s, chance);
      CHECK(delay <= full);
      CHECK(delay >= full * 3 / 4);
      shortened += delay < full;
    }
  }
  CHECK(shortened > 4'000);
}

TEST_CASE("the same seed gives the same delays, another seed others") {
  auto config = no_chance;
  config.jitter = 0.5;
  auto delays = [&](uint64_t seed) {
    std::mt19937_64 chance{seed};
    backoff aut{config};
    std::vector<milliseconds> result;
    for (auto i = 0; i < 20; ++i)
      result.push_back(aut.next(0s, chance));
    return result;
  };
  CHECK(delays(1) == delays(1));
  CHECK(delays(1) != delays(2));
}

TEST_CASE("a window admits its number of restarts and slides") {
  restart_window aut{{.max_restarts = 2, .window = 10s}};
  auto t0 = restart_clock::time_point{} + 1h;
  CHECK(aut.admit(t0));
  CHECK(aut.admit(t0 + 5s));
  CHECK_FALSE(aut.admit(t0 + 9'999ms));
  CHECK(aut.admit(t0 + 10s));
  CHECK_FALSE(aut.admit(t0 + 14s));
  CHECK(aut.admit(t0 + 15s));
}

TEST_CASE("no window of any random history holds more than the limit") {
  auto seed = GENERATE(range(uint64_t{1}, uint64_t{21}));
  std::mt19937_64 chance{seed};
  restart_limit limit{.max_restarts = 1 + seed % 7, .window = 10s};
  restart_window aut{limit};
  auto now = restart_clock::time_point{} + 1h;
  std::deque<restart_clock::time_point> all;
  for (auto i = 0; i < 2'000; ++i) {
    now += milliseconds{chance() % 4'000};
    auto in_window
      = std::erase_if(all, [&](auto t) { return now - t >= limit.window; });
    static_cast<void>(in_window);
    auto expected = all.size() < limit.max_restarts;
    REQUIRE(aut.admit(now) == expected);
    if (expected)
      all.push_back(now);
  }
}

TEST_CASE("kind, exit, limit and reaction decide what happens") {
  using k = restart_kind;
  using e = exit_kind;
  using r = limit_reaction;
  using v = restart_verdict;
  struct row {
    k kind;
    e how;
    bool admitted;
    r reaction;
    v expected;
  };
  for (auto x : {
         row{k::permanent, e::failed, true, r::escalate, v::restart},
         row{k::permanent, e::finished, true, r::escalate, v::restart},
         row{k::permanent, e::failed, false, r::escalate, v::escalate},
         row{k::permanent, e::finished, false, r::escalate, v::escalate},
         row{k::permanent, e::failed, false, r::park, v::park},
         row{k::permanent, e::failed, true, r::park, v::restart},
         row{k::transient, e::failed, true, r::escalate, v::restart},
         row{k::transient, e::finished, true, r::escalate, v::forget},
         row{k::transient, e::finished, false, r::escalate, v::forget},
         row{k::transient, e::failed, false, r::escalate, v::escalate},
         row{k::transient, e::failed, false, r::park, v::park},
         row{k::temporary, e::failed, true, r::escalate, v::forget},
         row{k::temporary, e::failed, false, r::park, v::forget},
         row{k::temporary, e::finished, true, r::park, v::forget},
       })
    CHECK(decide(x.kind, x.how, x.admitted, x.reaction) == x.expected);
}

TEST_CASE("the defaults make sense together") {
  CHECK_FALSE(validate(backoff_config{}, restart_limit{}));
}

TEST_CASE("values that make no sense are named") {
  auto complaint = [](auto change) {
    backoff_config backoff;
    restart_limit limit;
    change(backoff, limit);
    return validate(backoff, limit).value_or("nothing");
  };
  CHECK(complaint([](auto& b, auto&) { b.initial = 0ms; })
        == "backoff.initial must be positive");
  CHECK(complaint([](auto& b, auto&) { b.max = 1ms; })
        == "backoff.max must not be shorter than backoff.initial");
  CHECK(complaint([](auto& b, auto&) { b.max = 25h; })
        == "backoff.max must not exceed a day");
  CHECK(complaint([](auto& b, auto&) { b.jitter = 1.1; })
        == "backoff.jitter must be between 0 and 1");
  CHECK(complaint([](auto& b, auto&) {
          b.jitter = std::numeric_limits<double>::quiet_NaN();
        })
        == "backoff.jitter must be between 0 and 1");
  CHECK(complaint([](auto& b, auto&) { b.healthy_after = 0ms; })
        == "backoff.healthy_after must be positive");
  CHECK(complaint([](auto&, auto& l) { l.max_restarts = 0; })
        == "limit.max_restarts must be between 1 and 1000000");
  CHECK(complaint([](auto&, auto& l) { l.window = 0ms; })
        == "limit.window must be positive");
}

TEST_CASE("a limit that a child failing at once never reaches is refused") {
  backoff_config config{.initial = 1s, .max = 30s};
  // 1 + 2 + 4 + 8 + 16 + 30 + 30 s
  CHECK(validate(config, {.max_restarts = 7, .window = 91s}));
  CHECK_FALSE(validate(config, {.max_restarts = 7, .window = 92s}));
}
