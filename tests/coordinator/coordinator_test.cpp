#include "actors/coordinator/coordinator.hpp"
#include "actors/coordinator/lease_migrations.hpp"
#include "actors/store/missed_partition.hpp"
#include "tests/coordinator/migrator_fixture.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <thread>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

/// A node of its own: an actor system with a COORDINATOR.
struct candidate_node {
  caf::actor_system_config settings;
  caf::actor_system sys{settings};
  caf::scoped_actor self{sys};
  caf::actor it;

  explicit candidate_node(coordinator_config config) {
    it = spawn_coordinator(self.ptr(), std::move(config));
  }

  ~candidate_node() {
    stop();
  }

  void stop() {
    if (!it)
      return;
    self->send_exit(it, caf::exit_reason::user_shutdown);
    self->wait_for(it);
    it = nullptr;
  }

  actor_report inspect() {
    actor_report result;
    self->request(caf::actor_cast<coordinator_actor>(it), 30s, inspect_atom_v)
      .receive([&](actor_report& x) { result = std::move(x); },
               [](const caf::error& x) { FAIL(caf::to_string(x)); });
    return result;
  }
};

struct coordinator_fixture : test::migrator_fixture {
  coordinator_fixture() {
    up(load_embedded_migrations("control").value(), {"millrace", {}});
    db.execute("CREATE TABLE work (epoch bigint, node text)");
  }

  session_config session() const {
    session_config result;
    result.keywords = {{"dbname", db.url()}};
    return result;
  }

  coordinator_task_config task(const std::string& node) const {
    coordinator_task_config result;
    result.name = "worker";
    result.database = "postgresql";
    result.session = session();
    result.interval = 20ms;
    result.retry = result.retry_soon = 20ms;
    result.work = [node](connection& x, const held_lease& lease,
                         const std::atomic<bool>&) -> task_result {
      auto done = x.in_transaction([&]() -> store_result<void> {
        if (auto held = check_lease(x, lease.term()); !held)
          return held;
        return x.run("INSERT INTO work VALUES ("
                     + std::to_string(lease.term().epoch) + ", '" + node
                     + "')");
      });
      if (!done)
        return {done.error().message, true, 0};
      return {{}, false, 1};
    };
    return result;
  }

  coordinator_config config(const std::string& node) const {
    coordinator_config result;
    result.database = "postgresql";
    result.node = node;
    result.session = session();
    result.timing = timing_for(1s);
    result.tasks = {task(node)};
    return result;
  }

  template <class Condition>
  void wait(Condition condition) const {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(10ms);
    }
  }

  bool worked(const std::string& node) const {
    return db.value("SELECT count(*) > 3 FROM work WHERE node = '" + node + "'")
           == "t";
  }
};

using fixture = coordinator_fixture;

} // namespace

TEST_CASE_METHOD(fixture, "one of two candidates works, and the other one goes "
                          "on when it stops in order") {
  candidate_node one{config("one")};
  wait([&] { return worked("one"); });
  candidate_node two{config("two")};
  wait([&] { return two.inspect().note == "one leads"; });
  CHECK(two.inspect().state == "standby");
  auto report = one.inspect();
  CHECK(report.state == "active");
  REQUIRE(report.children.size() == 1);
  CHECK(report.children[0].name == "worker");
  one.stop();
  wait([&] { return worked("two"); });
  CHECK(db.value("SELECT count(DISTINCT node) FROM work GROUP BY epoch ORDER "
                 "BY 1 DESC LIMIT 1")
        == "1");
  CHECK(db.value("SELECT max(epoch) FROM work") == "2");
}

TEST_CASE_METHOD(fixture, "a coordinator whose lease somebody else took ends "
                          "its work and stands by") {
  candidate_node one{config("one")};
  wait([&] { return worked("one"); });
  db.execute("UPDATE millrace.coordinator SET epoch = epoch + 1, owner = "
             "gen_random_uuid(), node = 'other', lease_until = "
             "clock_timestamp() + interval '1 h'");
  wait([&] { return one.inspect().note == "other leads"; });
  CHECK(one.inspect().state == "standby");
  CHECK(one.inspect().children.empty());
  auto before = db.value("SELECT count(*) FROM work");
  db.execute("UPDATE millrace.coordinator SET lease_until = clock_timestamp()");
  wait([&] { return one.inspect().state == "active"; });
  wait([&] { return db.value("SELECT count(*) FROM work") != before; });
  CHECK(db.value("SELECT count(*) FROM work WHERE epoch = 2") == "0");
}

TEST_CASE_METHOD(fixture, "a coordinator whose sessions are ended goes on with "
                          "the lease it has") {
  candidate_node one{config("one")};
  wait([&] { return worked("one"); });
  db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
             "datname = current_database() AND pid <> pg_backend_pid()");
  auto before = db.value("SELECT count(*) FROM work");
  wait([&] { return db.value("SELECT count(*) FROM work") != before; });
  CHECK(one.inspect().state == "active");
}

TEST_CASE_METHOD(fixture,
                 "the migrator brings up under the lease what a schema "
                 "lacks, and what it cannot bring up it names") {
  auto settings = config("one");
  settings.tasks[0].name = "migrator";
  settings.tasks[0].work = migrations_in_term(
    {{"nowhere", {"tenant_a", "a"}}, {"ticks", {"tenant_demo", "demo"}}}, 5s);
  candidate_node one{std::move(settings)};
  wait([&] {
    return db.value("SELECT to_regclass('tenant_demo.ticks') IS NOT NULL")
           == "t";
  });
  wait([&] {
    auto report = one.inspect();
    return report.children.size() == 1
           && report.children[0].note.contains("nowhere in schema tenant_a");
  });
}

TEST_CASE_METHOD(fixture, "a row without a partition wakes the task that makes "
                          "them, once a second at most, and no other one") {
  auto settings = config("one");
  settings.tasks[0].interval = 1h;
  settings.tasks.push_back(settings.tasks[0]);
  settings.tasks[1].name = "roller";
  settings.tasks[1].for_missed_partitions = true;
  candidate_node one{std::move(settings)};
  auto goes = [&](std::size_t i) {
    auto report = one.inspect();
    return report.children.size() == 2
             ? report.children[i].counters.at(0).second
             : 0;
  };
  wait([&] { return goes(0) == 1 && goes(1) == 1; });
  auto begun = std::chrono::steady_clock::now();
  // Lanes of many tenants call all the time.
  wait([&] {
    tell_missed_partition(conn);
    return goes(1) >= 4;
  });
  auto took = std::chrono::steady_clock::now() - begun;
  CHECK(took >= 2s);
  CHECK(goes(0) == 1);
}

TEST_CASE_METHOD(fixture, "how far ahead tables are is told by the node that "
                          "coordinates alone, and what is lacking until it is "
                          "there") {
  auto settings = config("one");
  auto short_of = std::make_shared<std::atomic<bool>>(true);
  settings.tasks[0].work = [short_of](connection&, const held_lease&,
                                      const std::atomic<bool>&) {
    task_result result;
    result.ahead
      = {{"feed", "demo", "tickers", *short_of ? 1 : 14, *short_of ? 3 : 0}};
    if (*short_of)
      result.lacking = "shop.tickers has 1 of 14";
    return result;
  };
  candidate_node one{std::move(settings)};
  auto task = [&] {
    auto report = one.inspect();
    return report.children.empty() ? actor_report{} : report.children[0];
  };
  auto* gauge = partitions_ahead_gauge(one.sys, "feed", "demo", "tickers");
  auto* unarchived = partitions_unarchived_gauge(one.sys, "feed", "demo",
                                                 "tickers");
  wait([&] { return gauge->value() == 1; });
  wait([&] { return unarchived->value() == 3; });
  wait([&] { return task().state == behind_state; });
  CHECK(task().note == "shop.tickers has 1 of 14");
  *short_of = false;
  wait([&] { return gauge->value() == 14; });
  wait([&] { return task().state != behind_state; });
  CHECK(unarchived->value() == 0);
  one.stop();
  CHECK(gauge->value() == 0);
}

TEST_CASE_METHOD(fixture, "a task that met a lease in doubt goes on once the "
                          "renewal was answered after all") {
  auto settings = task("one");
  settings.interval = 0ms;
  auto goes = std::make_shared<std::atomic<int>>(0);
  settings.work = [goes](connection&, const held_lease& lease,
                         const std::atomic<bool>&) -> task_result {
    if (++*goes == 1 || !lease.holds())
      return {std::string{lease_in_doubt}, true, 0};
    return {{}, false, 1};
  };
  caf::actor_system_config system_settings;
  caf::actor_system sys{system_settings};
  caf::scoped_actor self{sys};
  // The term has ended as far as this process knows.
  auto lease = std::make_shared<held_lease>(lease_grant{1, uuid::random()});
  auto it = spawn_coordinator_task(self.ptr(), settings, lease);
  wait([&] { return *goes >= 2; });
  lease->hold_until(held_lease::clock::now() + 1h);
  wait([&] {
    int64_t done = 0;
    self
      ->request(caf::actor_cast<coordinator_task_actor>(it), 30s,
                inspect_atom_v)
      .receive(
        [&](const actor_report& x) {
          for (const auto& [name, n] : x.counters)
            done += name == "done" ? n : 0;
        },
        [](const caf::error& x) { FAIL(caf::to_string(x)); });
    return done == 1;
  });
  self->send_exit(it, caf::exit_reason::user_shutdown);
}

TEST_CASE_METHOD(fixture,
                 "a migration of a term that is over changes nothing") {
  auto row = lease_store{conn, "one"}.take_over(60s);
  REQUIRE(row);
  REQUIRE(*row);
  held_lease late{**row};
  late.hold_until(held_lease::clock::now() + 1h);
  db.execute("UPDATE millrace.coordinator SET epoch = epoch + 1");
  std::atomic<bool> stop = false;
  auto done = migrations_in_term({{"ticks", {"tenant_demo", "demo"}}},
                                 5s)(conn, late, stop);
  CHECK(done.failure.contains("does not coordinate any more"));
  CHECK(done.done == 0);
  CHECK(db.value("SELECT count(*) FROM pg_namespace WHERE nspname = "
                 "'tenant_demo'")
        == "0");
}
