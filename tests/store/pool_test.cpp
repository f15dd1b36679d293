// The POOL with scripted sessions: how many there are, and who gets them.

#include "tests/store/pool_fixture.hpp"

using namespace millrace;

namespace {

using fixture = test::pool_fixture;
using kind = session_notice::kind;

} // namespace

TEST_CASE_METHOD(fixture, "a pool begins with one session and opens the next "
                          "when work waits") {
  CHECK(status().sessions == 1);
  notice(0, kind::up);
  auto first = ask();
  CHECK(log->loads == std::vector<uint32_t>{0});
  CHECK(status().sessions == 1);
  auto second = ask();
  CHECK(status().sessions == 2);
  notice(1, kind::up);
  CHECK(log->loads == std::vector<uint32_t>{0, 1});
  auto third = ask();
  CHECK(status().sessions == 2);
  CHECK(status().queued == 1);
  notice(0, kind::idle);
  CHECK(log->loads == std::vector<uint32_t>{0, 1, 0});
}

TEST_CASE_METHOD(fixture, "a pool shows its sessions below itself") {
  notice(0, kind::up);
  auto busy = ask();
  auto second = ask();
  auto pending = self->request(aut, std::chrono::seconds{1}, inspect_atom_v);
  drain();
  pending.receive(
    [](const actor_report& x) {
      CHECK(x.kind == "millrace.pool");
      REQUIRE(x.children.size() == 2);
      CHECK(x.children[0].state == "idle");
      CHECK(x.children[1].state == "idle");
    },
    [](const caf::error& e) { FAIL(to_string(e)); });
}

TEST_CASE_METHOD(fixture, "a session's answer goes to whoever asked") {
  notice(0, kind::up);
  auto pending = ask();
  lane_row row;
  row.next_seq = seq{7};
  log->open.at(0).deliver(row);
  drain();
  pending.receive([](const lane_row& x) { CHECK(x.next_seq == seq{7}); },
                  [](const caf::error& e) { FAIL(to_string(e)); });
}

TEST_CASE_METHOD(fixture, "a full queue refuses; nothing is dropped from it") {
  auto first = ask();
  auto second = ask();
  auto third = ask();
  CHECK(error_of(third) == store_errc::overloaded);
  CHECK(status().queued == 2);
  notice(0, kind::up);
  notice(0, kind::idle);
  CHECK(log->loads.size() == 2);
}

TEST_CASE_METHOD(fixture, "without any connection requests are refused at once "
                          "with the reason, waiting ones too") {
  auto waiting = ask();
  notice(0, kind::down, store_errc::refused);
  CHECK(error_of(waiting) == store_errc::refused);
  auto later = ask();
  CHECK(error_of(later) == store_errc::refused);
  notice(0, kind::up);
  auto again = ask();
  CHECK(log->loads.size() == 1);
}

TEST_CASE_METHOD(fixture, "one lost session of several leaves the others their "
                          "work") {
  notice(0, kind::up);
  auto first = ask();
  auto second = ask();
  notice(1, kind::up);
  auto third = ask();
  notice(1, kind::down);
  CHECK(status().queued == 1);
  notice(0, kind::idle);
  CHECK(log->loads == std::vector<uint32_t>{0, 1, 0});
}

TEST_CASE_METHOD(fixture, "a first connection is not a reconnect; every later "
                          "one is told before work is done on it") {
  listen();
  notice(0, kind::up);
  CHECK(heard->empty());
  notice(0, kind::down);
  notice(0, kind::up_again);
  CHECK(*heard == std::vector<uint64_t>{1});
  CHECK(status().generation == 1);
}

TEST_CASE_METHOD(fixture, "a session that ends is replaced, and that counts as "
                          "a reconnect") {
  listen();
  notice(0, kind::up);
  self->send_exit(log->sessions[0], caf::exit_reason::kill);
  drain();
  CHECK(status().sessions == 1);
  notice(0, kind::up);
  CHECK(*heard == std::vector<uint64_t>{1});
}

TEST_CASE_METHOD(fixture, "a pool that ends takes its sessions with it") {
  self->monitor(log->sessions[0]);
  self->send_exit(aut, caf::exit_reason::user_shutdown);
  drain();
  auto down = false;
  self->receive([&](const caf::down_msg&) { down = true; });
  CHECK(down);
}

TEST_CASE_METHOD(fixture, "a session that is idle for long is closed, and the "
                          "next work opens one, which is no reconnect") {
  listen();
  notice(0, kind::up);
  advance(std::chrono::seconds{299});
  CHECK(status().sessions == 1);
  advance(std::chrono::seconds{2});
  CHECK(status().sessions == 0);
  auto pending = ask();
  CHECK(status().sessions == 1);
  notice(0, kind::up);
  CHECK(log->loads == std::vector<uint32_t>{0});
  CHECK(heard->empty());
}

TEST_CASE_METHOD(fixture,
                 "a server that was started meanwhile is a reconnect") {
  listen();
  auto up_at = [this](int64_t started_us) {
    self->send(aut, session_notice{0, kind::up, {}, {}, false, started_us});
    drain();
  };
  up_at(1);
  advance(std::chrono::minutes{6});
  CHECK(status().sessions == 0);
  auto pending = ask();
  up_at(2);
  CHECK(*heard == std::vector<uint64_t>{1});
}

TEST_CASE_METHOD(fixture, "an idle session makes way for another pool, and "
                          "work waits until the slot comes back") {
  notice(0, kind::up);
  int nudges = 0;
  session_slots::seat other{slots, [&nudges] { ++nudges; }};
  auto first = other.take();
  REQUIRE(first);
  CHECK_FALSE(other.take());
  drain();
  CHECK(status().sessions == 0);
  CHECK(nudges == 1);
  auto second = other.take();
  CHECK(second);
  auto pending = ask();
  CHECK(status().queued == 1);
  CHECK(status().sessions == 0);
  first.reset();
  drain();
  CHECK(status().sessions == 1);
  notice(0, kind::up);
  CHECK(log->loads == std::vector<uint32_t>{0});
}

TEST_CASE_METHOD(fixture, "a pool that always has work makes way once its turn "
                          "is over") {
  notice(0, kind::up);
  session_slots::seat busy{slots, [] {}};
  auto taken = busy.take();
  auto first = ask();
  auto second = ask();
  session_slots::seat other{slots, [] {}};
  CHECK_FALSE(other.take());
  notice(0, kind::idle);
  CHECK(log->loads.size() == 2);
  auto third = ask();
  advance(std::chrono::seconds{1});
  notice(0, kind::idle);
  CHECK(log->loads.size() == 2);
  CHECK(status().queued == 1);
  CHECK(other.take());
  // That one is done at once, so the work goes on.
  drain();
  notice(0, kind::up);
  CHECK(log->loads.size() == 3);
}

TEST_CASE_METHOD(fixture, "a session that cannot connect makes way, and its "
                          "pool tries again later") {
  session_slots::seat other{slots, [] {}};
  auto taken = other.take();
  CHECK_FALSE(other.take());
  notice(0, kind::down, store_errc::refused);
  auto second = other.take();
  REQUIRE(second);
  auto early = ask();
  CHECK(error_of(early) == store_errc::refused);
  // In line, though nobody asks for anything.
  advance(std::chrono::seconds{10});
  CHECK(status().sessions == 0);
  second.reset();
  drain();
  CHECK(status().sessions == 1);
}

TEST_CASE("a pool's limits make sense or are named") {
  pool_config config;
  CHECK_FALSE(validate(config));
  config.sessions = 0;
  CHECK(validate(config));
  config.sessions = 1;
  config.queue_limit = 0;
  CHECK(validate(config));
  config.queue_limit = 1;
  config.session.flush_timeout = {};
  CHECK(validate(config));
}
