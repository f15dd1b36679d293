#include "actors/coordinator/coordinator_lease.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <functional>
#include <random>
#include <utility>
#include <vector>

using namespace millrace;
using namespace std::chrono_literals;
using time_point = coordinator_lease::time_point;

namespace {

const time_point start{1h};

/// The row, with the rules of `lease_store`; time is the database's.
struct lease_model {
  int64_t epoch = 0;
  int owner = -1;
  time_point until = time_point::min();
};

/// What a candidate asked for, and the database has done or not done yet.
struct question {
  lease_step step = lease_step::wait;
  time_point asked;

  /// Answer, once it was executed.
  std::chrono::milliseconds left{0};
  bool granted = false;
};

/// A candidate, whose clock is ahead or behind by a constant.
struct candidate {
  coordinator_lease lease{lease_timing{}};
  std::chrono::milliseconds skew{0};

  /// What the database knows it by: another one in each term.
  int owner = -1;
  int64_t epoch = 0;

  std::optional<question> asking;

  time_point clock(time_point now) const {
    return now + skew;
  }
};

enum class fate : uint8_t {
  /// The question is carried out and answered at once.
  runs,
  /// The process stands still; what it has asked is carried out.
  stopped,
  /// The question is carried out, its answer never comes.
  answer_lost,
  /// The question never comes to the database.
  question_lost,
};

/// Several candidates at one row, in steps of virtual time.
struct world {
  lease_model row;
  std::vector<candidate> all;
  time_point now = start;
  int owners = 0;
  int64_t takeovers = 0;

  /// When somebody was active last.
  time_point led = start;

  explicit world(std::size_t n) : all(n) {
  }

  void carry_out(candidate& x) {
    auto& q = *x.asking;
    switch (q.step) {
      case lease_step::wait:
        break;
      case lease_step::look:
        q.left = std::chrono::duration_cast<std::chrono::milliseconds>(
          std::max(row.until, now) - now);
        break;
      case lease_step::take_over:
        q.granted = row.until <= now;
        if (q.granted) {
          row = {row.epoch + 1, ++owners, now + lease_timing{}.term};
          x.owner = row.owner;
          x.epoch = row.epoch;
          ++takeovers;
        }
        break;
      case lease_step::renew:
        q.granted = row.owner == x.owner && row.until > now;
        if (q.granted)
          row.until = now + lease_timing{}.term;
        break;
    }
  }

  void answer(candidate& x) {
    auto q = *std::exchange(x.asking, std::nullopt);
    if (q.step == lease_step::look)
      x.lease.on_row(q.left, x.clock(now));
    else if (q.granted)
      x.lease.on_held(q.asked);
    else
      x.lease.on_refused(x.clock(now));
  }

  void ask(candidate& x) {
    if (x.lease.state() == lease_state::lost)
      x.lease.on_idle(x.clock(now));
    auto step = x.lease.next(x.clock(now));
    if (step != lease_step::wait)
      x.asking = question{step, x.clock(now)};
  }

  void run(candidate& x, fate how) {
    if (how == fate::stopped)
      return;
    if (!x.asking)
      ask(x);
    if (!x.asking)
      return;
    if (how != fate::question_lost)
      carry_out(x);
    if (how == fate::runs) {
      answer(x);
      return;
    }
    x.asking.reset();
    x.lease.on_failed(x.clock(now));
  }

  int active() const {
    int result = 0;
    for (const auto& x : all)
      result += x.lease.may_act(x.clock(now));
    return result;
  }

  void advance(std::chrono::milliseconds by) {
    now += by;
    if (active() > 0)
      led = now;
  }
};

} // namespace

// -- one candidate ------------------------------------------------------------

TEST_CASE("a candidate looks first, and takes over a term that is over") {
  coordinator_lease x{lease_timing{}};
  CHECK(x.next(start) == lease_step::look);
  x.on_row(0ms, start);
  CHECK(x.next(start) == lease_step::take_over);
  x.on_held(start);
  CHECK(x.state() == lease_state::active);
  CHECK(x.may_act(start + 1'999ms));
  CHECK_FALSE(x.may_act(start + 2s));
}

TEST_CASE("a term that lasts is looked at again when it may be over") {
  coordinator_lease x{lease_timing{}};
  x.on_row(70ms, start);
  CHECK(x.next(start + 70ms) == lease_step::wait);
  CHECK(x.wake() == start + 71ms);
  CHECK(x.next(start + 71ms) == lease_step::look);
  x.on_row(2s, start + 71ms);
  CHECK(x.wake() == start + 571ms);
}

TEST_CASE("a term is counted from before the question, not from its answer") {
  coordinator_lease x{lease_timing{}};
  x.on_row(0ms, start);
  // The answer comes 1.5 s later.
  x.on_held(start);
  CHECK(x.next(start + 1'500ms) == lease_step::renew);
  x.on_held(start + 1'500ms);
  CHECK(x.held_until() == start + 3'500ms);
}

TEST_CASE("a process that was stopped past its term notices before it acts") {
  coordinator_lease x{lease_timing{}};
  x.on_held(start);
  CHECK_FALSE(x.may_act(start + 10s));
  CHECK(x.next(start + 10s) == lease_step::wait);
  CHECK(x.state() == lease_state::lost);
}

TEST_CASE("a term whose renewal is refused is lost at once") {
  coordinator_lease x{lease_timing{}};
  x.on_held(start);
  CHECK(x.next(start + 500ms) == lease_step::renew);
  x.on_refused(start + 510ms);
  CHECK(x.state() == lease_state::lost);
  CHECK_FALSE(x.may_act(start + 510ms));
}

TEST_CASE("a renewal without an answer is tried again until the term is over") {
  coordinator_lease x{lease_timing{}};
  x.on_held(start);
  auto now = start + 500ms;
  auto tries = 0;
  for (; x.next(now) == lease_step::renew; now += 200ms) {
    ++tries;
    x.on_failed(now);
    CHECK(x.may_act(now));
  }
  CHECK(tries == 8);
  CHECK(x.state() == lease_state::lost);
}

TEST_CASE("who stands by does not hurry when the database does not answer") {
  coordinator_lease x{lease_timing{}};
  CHECK(x.next(start) == lease_step::look);
  x.on_failed(start);
  CHECK(x.wake() == start + 500ms);
}

TEST_CASE("nothing is asked before all work of a lost term has ended") {
  coordinator_lease x{lease_timing{}};
  x.on_held(start);
  x.on_refused(start);
  CHECK(x.next(start + 1h) == lease_step::wait);
  x.on_idle(start + 1h);
  CHECK(x.state() == lease_state::standby);
  CHECK(x.next(start + 1h) == lease_step::look);
}

TEST_CASE("a timing in which a failed renewal ends the term is refused") {
  CHECK_FALSE(validate(lease_timing{}));
  CHECK_FALSE(validate(timing_for(1s)));
  CHECK_FALSE(validate(timing_for(60s)));
  CHECK(validate({.term = 1s, .renew = 900ms, .look = 1s, .retry = 100ms}));
  CHECK(validate({.look = 0ms}));
  CHECK_THROWS(coordinator_lease{{.renew = 2s}});
}

// -- several, under virtual time ----------------------------------------------

TEST_CASE("two candidates are never active at once, whatever happens to them "
          "in six turns") {
  // Every combination: 16 fates a turn.
  constexpr std::array fates{fate::runs, fate::stopped, fate::answer_lost,
                             fate::question_lost};
  constexpr auto turns = 6;
  int64_t worlds = 0;
  int64_t led = 0;
  std::function<void(const world&, int)> explore = [&](const world& before,
                                                       int left) {
    if (left == 0) {
      ++worlds;
      led += before.takeovers;
      return;
    }
    for (auto first : fates)
      for (auto second : fates) {
        if (left > 4 && (first != fate::runs || second == fate::stopped))
          continue;
        auto x = before;
        // Two rounds within a turn: a look and what follows from it.
        for (auto round = 0; round < 2; ++round) {
          x.run(x.all[0], first);
          x.run(x.all[1], second);
          if (x.active() > 1)
            FAIL("two coordinators");
        }
        x.advance(700ms);
        if (x.active() > 1)
          FAIL("two coordinators");
        explore(x, left - 1);
      }
  };
  world first{2};
  first.all[1].skew = -5s;
  explore(first, turns);
  CHECK(worlds > 100'000);
  CHECK(led > worlds);
}

TEST_CASE("whoever crashes, somebody coordinates again within three seconds") {
  std::minstd_rand random{23};
  auto pick = [&random](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>{least, most}(random);
  };
  for (auto run = 0; run < 300; ++run) {
    world x{3};
    for (auto& node : x.all)
      node.skew = std::chrono::milliseconds{pick(-100'000, 100'000)};
    // Whoever leads stands still for a while, now and then.
    std::size_t frozen = x.all.size();
    auto until = x.now;
    auto longest = 0ms;
    for (auto i = 0; i < 2'000; ++i) {
      if (x.now >= until && pick(0, 99) == 0) {
        for (frozen = 0; frozen < x.all.size(); ++frozen)
          if (x.all[frozen].lease.may_act(x.all[frozen].clock(x.now)))
            break;
        until = x.now + std::chrono::milliseconds{pick(10, 8'000)};
      }
      for (std::size_t n = 0; n < x.all.size(); ++n) {
        auto stopped = n == frozen && x.now < until;
        // A question takes one step of 20 ms, there and back.
        auto& node = x.all[n];
        if (stopped)
          continue;
        if (node.asking) {
          x.carry_out(node);
          x.answer(node);
        } else {
          x.ask(node);
        }
      }
      if (x.active() > 1)
        FAIL("two coordinators");
      x.advance(20ms);
      longest = std::max(longest,
                         std::chrono::duration_cast<std::chrono::milliseconds>(
                           x.now - x.led));
    }
    CHECK(longest <= 3s);
    CHECK(x.takeovers > 1);
  }
}

TEST_CASE("answers that are late, lost or never asked for give nobody a second "
          "coordinator") {
  std::minstd_rand random{2023};
  auto pick = [&random](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>{least, most}(random);
  };
  int64_t takeovers = 0;
  for (auto run = 0; run < 200; ++run) {
    world x{3};
    for (auto i = 0; i < 1'000; ++i) {
      auto& node = x.all[static_cast<std::size_t>(pick(0, 2))];
      if (!node.asking) {
        x.ask(node);
      } else if (auto what = pick(0, 9); what < 7) {
        // Carried out now; the answer may be seen much later.
        x.carry_out(node);
        auto late = std::chrono::milliseconds{pick(0, 3) == 0 ? pick(0, 4'000)
                                                              : 0};
        x.advance(late);
        if (x.active() > 1)
          FAIL("two coordinators");
        x.answer(node);
      } else {
        if (what < 9)
          x.carry_out(node);
        node.asking.reset();
        node.lease.on_failed(node.clock(x.now));
      }
      if (x.active() > 1)
        FAIL("two coordinators");
      x.advance(std::chrono::milliseconds{pick(0, 150)});
    }
    takeovers += x.takeovers;
  }
  CHECK(takeovers > 200);
}
