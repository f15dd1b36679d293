// Rule 20: the POOL of a tenant whose server is short of something.

#include "actors/admin/metrics.hpp"
#include "tests/store/pool_fixture.hpp"

#include <string>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

using lanes = std::vector<int32_t>;

/// What the lanes' writers heard.
struct story {
  /// Lanes that were told to go on, in that order.
  lanes told;

  /// Lanes whose request was answered with `back_off`.
  lanes held;
  std::string reason;

  /// Writers ask once more when they are told.
  bool come_again = true;
};

struct back_off_fixture : test::pool_fixture {
  enum class step : int32_t { flush, takeover, load, read_waiting, count };

  std::shared_ptr<story> heard_by_lanes = std::make_shared<story>();
  std::vector<caf::actor> writers;

  back_off_fixture() {
    notice(0, kind::up);
  }

  ~back_off_fixture() {
    for (const auto& x : writers)
      self->send_exit(x, caf::exit_reason::user_shutdown);
    drain();
  }

  static caf::behavior writer(caf::event_based_actor* me, pool_actor pool,
                              int32_t lane, std::shared_ptr<story> log) {
    auto ask = [me, pool, lane, log](int32_t what) {
      lane_id id{"p", "demo", shard{lane}};
      auto refused = [lane, log](const caf::error& e) {
        if (e != store_errc::back_off)
          return;
        log->held.push_back(lane);
        log->reason = to_string(e);
      };
      switch (step{what}) {
        case step::flush: {
          flush work;
          work.claim.lane = id;
          me->request(pool, caf::infinite, std::move(work))
            .then([](flush_result&) {}, refused);
          break;
        }
        case step::takeover:
          me->request(pool, caf::infinite, takeover_request{id, {}, "n"})
            .then([](lane_row&) {}, refused);
          break;
        case step::load:
          me->request(pool, caf::infinite, load_request{id, false})
            .then([](lane_row&) {}, refused);
          break;
        case step::read_waiting:
        case step::count:
          me->request(pool, caf::infinite,
                      waiting_request{id, seq{},
                                      step{what} == step::count ? 0 : 128})
            .then([](waiting_answer&) {}, refused);
          break;
      }
    };
    auto last = std::make_shared<int32_t>();
    return {
      [ask, last](int32_t what) {
        *last = what;
        ask(what);
      },
      [ask, last, lane, log](resume_atom) {
        log->told.push_back(lane);
        if (log->come_again)
          ask(*last);
      },
    };
  }

  void asks(int32_t lane, step what = step::flush) {
    while (std::ssize(writers) <= lane)
      writers.push_back(sys.spawn(
        writer, aut, static_cast<int32_t>(writers.size()), heard_by_lanes));
    self->send(writers[static_cast<std::size_t>(lane)],
               static_cast<int32_t>(what));
    drain();
  }

  /// A session is done with its work.
  void done(uint32_t index, schema_sight tables) {
    session_notice x;
    x.index = index;
    x.what = kind::idle;
    x.tables = tables;
    x.reason = "53100: disk full";
    self->send(aut, x);
    drain();
  }

  std::string state() {
    std::string result;
    auto pending = self->request(aut, 1s, inspect_atom_v);
    drain();
    pending.receive(
      [&](const actor_report& x) { result = x.state + ' ' + x.note; },
      [](const caf::error& e) { FAIL(to_string(e)); });
    return result;
  }

  int64_t gauge() {
    return make_pool_metrics(sys, "demo", "").backing_off->value();
  }

  const lanes& told() const {
    return heard_by_lanes->told;
  }

  const lanes& held() const {
    return heard_by_lanes->held;
  }

  std::size_t flushes() const {
    return log->flushes.size();
  }
};

} // namespace

TEST_CASE_METHOD(back_off_fixture, "where there is no room for one lane all "
                                   "wait, one tries at a time, and all go on "
                                   "when it gets through") {
  asks(0);
  asks(1);
  notice(1, kind::up);
  asks(2);
  CHECK(flushes() == 2);
  CHECK(held().empty());
  done(0, schema_sight::no_room);
  CHECK(held() == lanes{2});
  CHECK(heard_by_lanes->reason.contains("53100: disk full"));
  CHECK(state() == "backing off 53100: disk full");
  CHECK(gauge() == 1);
  // It was under way.
  done(1, schema_sight::no_room);
  asks(3);
  advance(99ms);
  CHECK(told().empty());
  CHECK(flushes() == 2);
  advance(1ms);
  CHECK(told() == lanes{0});
  CHECK(flushes() == 3);
  asks(3);
  advance(10s);
  CHECK(flushes() == 3);
  done(0, schema_sight::no_room);
  advance(199ms);
  CHECK(told() == lanes{0});
  advance(1ms);
  CHECK(told() == lanes{0, 2});
  CHECK(flushes() == 4);
  CHECK(held() == lanes{2, 3, 3});
  done(0, schema_sight::usable);
  CHECK(told() == lanes{0, 2, 1, 3, 0});
  CHECK(flushes() == 6);
  CHECK(state() == "running ");
  CHECK(gauge() == 0);
}

TEST_CASE_METHOD(back_off_fixture, "work that waits for a session when the "
                                   "hold ends is no second probe") {
  asks(0);
  done(0, schema_sight::no_room);
  asks(1);
  // Somebody else's question keeps the only session.
  heard_by_lanes->come_again = false;
  auto view = self->request(aut, caf::infinite, view_request{});
  drain();
  advance(100ms);
  CHECK(told() == lanes{0});
  asks(0);
  asks(2);
  // Two are on their way, so nobody else is called.
  advance(5s);
  CHECK(told() == lanes{0});
  done(0, schema_sight::unknown);
  CHECK(flushes() == 2);
  CHECK(held() == lanes{1});
  done(0, schema_sight::no_room);
  CHECK(held() == lanes{1, 2});
  CHECK(flushes() == 2);
}

TEST_CASE_METHOD(back_off_fixture, "a lane that is told to try and has nothing "
                                   "any more makes room for the next one; "
                                   "when none is left the hold ends") {
  heard_by_lanes->come_again = false;
  asks(0);
  done(0, schema_sight::no_room);
  asks(1);
  advance(100ms);
  CHECK(told() == lanes{0});
  advance(999ms);
  CHECK(told() == lanes{0});
  advance(1ms);
  CHECK(told() == lanes{0, 1});
  CHECK(gauge() == 1);
  advance(1s);
  CHECK(state() == "running ");
  CHECK(gauge() == 0);
  asks(1);
  CHECK(flushes() == 2);
}

TEST_CASE_METHOD(back_off_fixture, "lanes are not taken over or loaded either, "
                                   "and one that tries may do so before its "
                                   "flush") {
  heard_by_lanes->come_again = false;
  asks(0, step::takeover);
  done(0, schema_sight::no_room);
  asks(1, step::load);
  asks(2, step::takeover);
  asks(3, step::read_waiting);
  CHECK(held() == lanes{1, 2, 3});
  CHECK(log->loads.empty());
  // Idle lanes and consumers go on.
  asks(4, step::count);
  CHECK(held() == lanes{1, 2, 3});
  done(0, schema_sight::unknown);
  auto view = self->request(aut, caf::infinite, view_request{});
  drain();
  CHECK(log->views == 1);
  done(0, schema_sight::no_room);
  advance(100ms);
  CHECK(told() == lanes{0});
  asks(0, step::takeover);
  done(0, schema_sight::unknown);
  asks(0);
  CHECK(flushes() == 1);
  CHECK(told() == lanes{0});
  done(0, schema_sight::usable);
  CHECK(told() == lanes{0, 1, 2, 3});
}

TEST_CASE_METHOD(back_off_fixture, "a probe whose connection is lost is "
                                   "followed by another one's") {
  asks(0);
  done(0, schema_sight::no_room);
  asks(1);
  asks(2);
  advance(100ms);
  CHECK(flushes() == 2);
  notice(0, kind::down);
  notice(0, kind::up_again);
  CHECK(told() == lanes{0});
  CHECK(state() == "backing off 53100: disk full");
  advance(1s);
  CHECK(told() == lanes{0, 1});
  CHECK(flushes() == 3);
  CHECK(held() == lanes{1, 2});
}

TEST_CASE_METHOD(back_off_fixture, "while the server has no connection to "
                                   "spare, lanes wait until there is one") {
  heard_by_lanes->come_again = false;
  notice(0, kind::down, store_errc::back_off);
  asks(0);
  asks(1, step::takeover);
  CHECK(held() == lanes{0, 1});
  CHECK(gauge() == 0);
  advance(10s);
  CHECK(told().empty());
  notice(0, kind::up_again);
  CHECK(told() == lanes{0, 1});
}
