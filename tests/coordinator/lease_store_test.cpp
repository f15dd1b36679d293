#include "actors/coordinator/coordinator_lease.hpp"
#include "actors/coordinator/lease_store.hpp"
#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/wait.h>

#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include <unistd.h>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

/// A database with the control schema, and sessions to it.
struct lease_fixture : test::migrator_fixture {
  lease_fixture() {
    up(load_embedded_migrations("control").value(), {"millrace", {}});
    db.execute("CREATE TABLE work (epoch bigint, step int)");
  }

  /// A session that works in the term.
  connection worker(const lease_grant& term) const {
    auto result = open();
    REQUIRE(result.run("SET application_name = '"
                       + coordinator_session_name(term.epoch) + "'"));
    return result;
  }

  lease_grant take(lease_store& row,
                   std::chrono::milliseconds length = 60s) const {
    auto taken = row.take_over(length);
    REQUIRE(taken);
    REQUIRE(*taken);
    return **taken;
  }

  /// As if the time had passed.
  void let_lapse() const {
    db.execute("UPDATE millrace.coordinator SET lease_until = "
               "clock_timestamp() - interval '1 ms'");
  }
};

/// A transaction of a coordinator.
store_result<void> note(connection& conn, const lease_grant& term, int step) {
  return conn.in_transaction([&]() -> store_result<void> {
    if (auto held = check_lease(conn, term); !held)
      return held;
    return conn.run("INSERT INTO work VALUES (" + std::to_string(term.epoch)
                    + ", " + std::to_string(step) + ")");
  });
}

} // namespace

using fixture = lease_fixture;

TEST_CASE_METHOD(fixture, "of two candidates one gets the lease, and the other "
                          "one sees whose it is") {
  lease_store one{conn, "one"};
  auto second = open();
  lease_store two{second, "two"};
  auto before = two.look();
  REQUIRE(before);
  CHECK(before->node.empty());
  CHECK(before->left == 0ms);
  auto term = take(one);
  CHECK(term.epoch == 1);
  auto refused = two.take_over(60s);
  REQUIRE(refused);
  CHECK_FALSE(*refused);
  auto seen = two.look();
  REQUIRE(seen);
  CHECK(seen->node == "one");
  CHECK(seen->left > 50s);
  CHECK(seen->left <= 60s);
}

TEST_CASE_METHOD(fixture, "a renewal makes a term last, and none brings one "
                          "back that is over") {
  lease_store row{conn, "one"};
  auto term = take(row, 10s);
  CHECK(row.renew(term, 60s).value());
  CHECK(row.look()->left > 50s);
  let_lapse();
  CHECK_FALSE(row.renew(term, 60s).value());
  auto other = term;
  other.owner = uuid::random();
  db.execute("UPDATE millrace.coordinator SET lease_until = 'infinity'");
  CHECK_FALSE(row.renew(other, 60s).value());
  CHECK(row.renew(term, 60s).value());
}

TEST_CASE_METHOD(fixture, "a term that was given back is free at once") {
  lease_store one{conn, "one"};
  auto term = take(one);
  REQUIRE(one.resign(term));
  auto second = open();
  lease_store two{second, "two"};
  CHECK(take(two).epoch == 2);
  // Not that of somebody else.
  REQUIRE(one.resign(term));
  CHECK(two.look()->left > 50s);
}

TEST_CASE_METHOD(fixture, "a transaction of a term that is over is refused") {
  lease_store one{conn, "one"};
  auto term = take(one);
  auto session = open();
  CHECK(note(session, term, 1));
  let_lapse();
  auto late = note(session, term, 2);
  REQUIRE_FALSE(late);
  CHECK(late.error().sqlstate == lease_over_state);
  auto second = open();
  lease_store two{second, "two"};
  take(two);
  CHECK_FALSE(note(session, term, 3));
  CHECK(db.value("SELECT string_agg(step::text, ' ') FROM work") == "1");
}

TEST_CASE_METHOD(fixture, "a long transaction of the coordinator does not keep "
                          "it from renewing its lease") {
  lease_store one{conn, "one"};
  auto term = take(one);
  auto session = worker(term);
  auto done = session.in_transaction([&]() -> store_result<void> {
    REQUIRE(check_lease(session, term));
    REQUIRE(conn.run("SET lock_timeout = '1s'"));
    CHECK(one.renew(term, 60s).value());
    return session.run("INSERT INTO work VALUES (1, 1)");
  });
  CHECK(done);
}

TEST_CASE_METHOD(fixture, "a takeover ends what the last term has begun, in a "
                          "transaction or outside of one") {
  lease_store one{conn, "one"};
  auto term = take(one);
  auto inside = worker(term);
  auto outside = worker(term);
  auto bystander = worker({term.epoch + 7, {}});
  auto done = inside.in_transaction([&]() -> store_result<void> {
    REQUIRE(check_lease(inside, term));
    REQUIRE(inside.run("INSERT INTO work VALUES (1, 1)"));
    std::thread sleeper{
      [&] { CHECK_FALSE(outside.run("SELECT pg_sleep(60)")); }};
    let_lapse();
    auto second = open();
    lease_store two{second, "two"};
    auto started = std::chrono::steady_clock::now();
    CHECK(take(two).epoch == term.epoch + 1);
    CHECK(std::chrono::steady_clock::now() - started < 20s);
    sleeper.join();
    return inside.run("INSERT INTO work VALUES (1, 2)");
  });
  CHECK_FALSE(done);
  CHECK(bystander.run("SELECT 1"));
  CHECK(db.value("SELECT count(*) FROM work") == "0");
}

TEST_CASE_METHOD(fixture, "a session that says it is of a term, of a role that "
                          "may not coordinate, is left alone") {
  auto role = test::unique_name("stranger");
  db.execute("CREATE ROLE " + role + " LOGIN");
  auto mine = test::unique_name("owner");
  db.execute("CREATE ROLE " + mine
             + " LOGIN; GRANT USAGE ON SCHEMA millrace TO " + mine
             + "; GRANT ALL ON millrace.coordinator TO " + mine);
  auto stranger = worker({0, {}});
  REQUIRE(stranger.run("SELECT set_config('application_name', "
                       "'millrace coordinator 0', false)"));
  REQUIRE(conn.run("SET ROLE " + mine));
  lease_store row{conn, "one"};
  CHECK(take(row).epoch == 1);
  CHECK(stranger.run("SELECT 1"));
  REQUIRE(conn.run("RESET ROLE"));
  db.execute("DROP OWNED BY " + mine + "; DROP ROLE " + mine + "; DROP ROLE "
             + role);
}

TEST_CASE_METHOD(fixture, "of eight candidates at once one gets each term") {
  constexpr auto candidates = 8;
  for (auto round = 1; round <= 5; ++round) {
    std::vector<std::jthread> all;
    std::atomic<int> winners = 0;
    for (auto i = 0; i < candidates; ++i)
      all.emplace_back([&] {
        auto mine = open();
        lease_store row{mine, "node"};
        auto taken = row.take_over(60s);
        if (taken && *taken)
          ++winners;
      });
    all.clear();
    CHECK(winners == 1);
    CHECK(db.value("SELECT epoch FROM millrace.coordinator")
          == std::to_string(round));
    let_lapse();
  }
}

namespace {

constexpr lease_timing quick{
  .term = 400ms, .renew = 100ms, .look = 50ms, .retry = 40ms};

/// A process that coordinates when it can: one step after the other, each in a
/// transaction, a step's number from what is there.
[[noreturn]] void coordinate_for_ever(const fixture& where,
                                      const std::string& name) {
  auto session = where.open();
  auto work = where.open();
  lease_store row{session, name};
  coordinator_lease lease{quick};
  std::optional<lease_grant> term;
  for (;;) {
    auto asked = coordinator_lease::clock::now();
    if (lease.state() == lease_state::lost)
      lease.on_idle(asked);
    switch (lease.next(asked)) {
      case lease_step::wait:
        break;
      case lease_step::look:
        if (auto seen = row.look())
          lease.on_row(seen->left, coordinator_lease::clock::now());
        break;
      case lease_step::renew:
        if (auto held = row.renew(*term, quick.term); held && *held)
          lease.on_held(asked);
        else
          lease.on_refused(coordinator_lease::clock::now());
        break;
      case lease_step::take_over:
        if (auto taken = row.take_over(quick.term); taken && *taken) {
          term = **taken;
          work = where.open();
          std::ignore = work.run("SET application_name = '"
                                 + coordinator_session_name(term->epoch) + "'");
          lease.on_held(asked);
        } else {
          lease.on_refused(coordinator_lease::clock::now());
        }
        break;
    }
    // Each step takes a while, so that a stop falls into most of them.
    if (lease.may_act(coordinator_lease::clock::now()))
      std::ignore = work.in_transaction([&]() -> store_result<void> {
        if (auto held = check_lease(work, *term); !held)
          return held;
        return work.run("INSERT INTO work SELECT " + std::to_string(term->epoch)
                        + ", coalesce(max(step), 0) + 1 FROM work; SELECT "
                          "pg_sleep(0.01)");
      });
    else
      std::this_thread::sleep_for(2ms);
  }
}

/// Such processes, which end with this object.
struct coordinators {
  std::map<std::string, pid_t> all;

  void begin(const fixture& where, const std::string& name) {
    auto child = ::fork();
    if (child == 0)
      coordinate_for_ever(where, name);
    all[name] = child;
  }

  void end() {
    for (const auto& [name, process] : std::exchange(all, {})) {
      ::kill(process, SIGKILL);
      ::waitpid(process, nullptr, 0);
    }
  }

  ~coordinators() {
    end();
  }
};

} // namespace

TEST_CASE_METHOD(fixture,
                 "a process that is stopped past its lease and goes on "
                 "writes nothing, and no step is done twice") {
  auto count = [this] {
    return std::stoll(db.value("SELECT count(*) FROM work"));
  };
  auto holder = [this] {
    return db.value("SELECT node FROM millrace.coordinator WHERE lease_until > "
                    "clock_timestamp()");
  };
  auto wait = [](auto condition) {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(5ms);
    }
  };
  coordinators both;
  both.begin(*this, "one");
  both.begin(*this, "two");
  for (auto round = 0; round < 5; ++round) {
    auto before = count();
    wait([&] { return count() > before + 3 && !holder().empty(); });
    auto leader = holder();
    if (leader.empty())
      continue;
    auto epoch = db.value("SELECT epoch FROM millrace.coordinator");
    ::kill(both.all[leader], SIGSTOP);
    wait([&] {
      auto now = holder();
      return !now.empty() && now != leader;
    });
    auto after = count();
    ::kill(both.all[leader], SIGCONT);
    wait([&] { return count() > after + 3; });
    // Nothing of the old term came after the first of the new one.
    CHECK(db.value("SELECT count(*) FROM work o JOIN work n ON n.epoch > "
                   "o.epoch AND n.step < o.step")
          == "0");
    CHECK(std::stoll(db.value("SELECT epoch FROM millrace.coordinator"))
          > std::stoll(epoch));
  }
  both.end();
  CHECK(db.value("SELECT count(*) - count(DISTINCT step) FROM work") == "0");
  CHECK(db.value("SELECT max(step) - count(*) FROM work") == "0");
}
