// Pools that share few sessions, against PostgreSQL.

#include "actors/store/pool.hpp"
#include "tests/store/store_fixture.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <format>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

struct fixture : store_fixture {
  caf::actor_system_config options;
  caf::actor_system sys{options};
  caf::scoped_actor self{sys};
  std::vector<pool_actor> pools;

  ~fixture() {
    for (auto& x : pools) {
      self->send_exit(x, caf::exit_reason::user_shutdown);
      self->wait_for(x);
    }
  }

  pool_config settings(std::shared_ptr<session_slots> slots = {}) const {
    pool_config result;
    result.tenant = "demo";
    result.database = "postgresql";
    result.session = config();
    result.slots = std::move(slots);
    result.delays.initial = 10ms;
    result.delays.max = 50ms;
    return result;
  }

  pool_actor start(const pool_config& x) {
    pools.push_back(sys.spawn<pool>(x));
    return pools.back();
  }

  /// Log-ins to this database so far.
  int64_t logins() {
    must(conn->query("SELECT pg_stat_force_next_flush()"));
    auto rows = must(conn->query("SELECT sessions FROM pg_stat_database WHERE "
                                 "datname = current_database()"));
    return std::stoll(*rows.rows[0][0]);
  }

  /// Backends of the pools.
  int backends() {
    auto rows = must(conn->query(
      "SELECT count(*) FROM pg_stat_activity WHERE datname = "
      "current_database() AND application_name LIKE 'millrace%' AND pid <> "
      "pg_backend_pid()"));
    return std::stoi(*rows.rows[0][0]);
  }

  /// Waits for a moment without any. A session that is told to end while it
  /// logs in may come and go after that.
  bool without_backends() {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < until) {
      if (backends() == 0)
        return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  template <class Result, class Request>
  static caf::expected<Result>
  ask(caf::scoped_actor& from, const pool_actor& to, Request x) {
    caf::expected<Result> result{caf::make_error(caf::sec::none)};
    from->request(to, 60s, std::move(x))
      .receive([&](Result& got) { result = std::move(got); },
               [&](caf::error& why) { result = std::move(why); });
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "eight tenants with two sessions among them all get "
                          "through, and the server never has more than two") {
  constexpr int tenants = 8;
  constexpr int flushes = 5;
  auto boot = boot_of(2);
  boot.tenants.clear();
  for (int i = 0; i < tenants; ++i)
    boot.tenants.push_back({std::format("t{}", i), rows_of});
  must(store().boot(boot));
  auto slots = std::make_shared<session_slots>(2);
  std::atomic<int> busy = tenants;
  std::atomic<int> committed = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < tenants; ++i) {
    auto to = start(settings(slots));
    clients.emplace_back([&, i, to] {
      caf::scoped_actor me{sys};
      lane_id mine{"p", std::format("t{}", i), shard{0}};
      auto row = ask<lane_row>(me, to,
                               takeover_request{mine, uuid::random(), "n"});
      for (int64_t at = 100; row && at < 100 + flushes; ++at) {
        auto data = batch_of(at, at + 1);
        data.lane = mine;
        add_row(data.blocks[0], at, event_row(at, {}, mine.tenant), at);
        auto work = flush_of(*row, std::move(data));
        work.claim.lane = mine;
        auto done = ask<flush_result>(me, to, std::move(work));
        if (done && done->verdict == flush_verdict::committed)
          ++committed;
        row = ask<lane_row>(me, to, load_request{mine, false});
      }
      --busy;
    });
  }
  int most = 0;
  while (busy > 0)
    most = std::max(most, backends());
  CHECK(committed == tenants * flushes);
  CHECK(most <= 2);
  CHECK(most > 0);
  auto rows = must(conn->query("SELECT count(*), count(DISTINCT v) FROM "
                               "tenant_demo.log"));
  CHECK(rows.rows[0][0] == std::to_string(tenants * flushes));
  CHECK(rows.rows[0][1] == std::to_string(tenants));
}

TEST_CASE_METHOD(fixture, "tenants that take turns hand their connections on "
                          "instead of logging in anew") {
  constexpr int tenants = 6;
  constexpr int rounds = 5;
  auto slots = std::make_shared<session_slots>(1);
  for (int i = 0; i < tenants; ++i)
    start(settings(slots));
  auto ask_all = [this] {
    for (const auto& to : pools)
      CHECK(ask<lane_row>(self, to, load_request{lane, false}));
  };
  ask_all();
  auto before = logins();
  for (int i = 0; i < rounds; ++i)
    ask_all();
  CHECK(backends() == 1);
  CHECK(logins() - before <= 1);
}

TEST_CASE_METHOD(fixture,
                 "a connection that is handed on works as its tenant's "
                 "role, and is not handed to another role's") {
  auto role = "millrace_" + db.name();
  db.execute(std::format("CREATE ROLE {0}; GRANT {0} TO CURRENT_USER; GRANT "
                         "pg_read_all_data TO {0}",
                         role));
  auto slots = std::make_shared<session_slots>(1);
  auto other = settings(slots);
  other.session.keywords.emplace_back("options", "-c role=" + role);
  auto mine = start(settings(slots));
  auto theirs = start(other);
  for (int i = 0; i < 3; ++i) {
    CHECK(ask<lane_row>(self, mine, load_request{lane, false}));
    CHECK(ask<lane_row>(self, theirs, load_request{lane, false}));
    // Takes the row's lock, for which that role has no right.
    CHECK(
      ask<lane_row>(self, mine, takeover_request{lane, uuid::random(), "n"}));
    CHECK_FALSE(
      ask<lane_row>(self, theirs, takeover_request{lane, uuid::random(), "n"}));
  }
  for (auto& x : pools) {
    self->send_exit(x, caf::exit_reason::user_shutdown);
    self->wait_for(x);
  }
  pools.clear();
  CHECK(without_backends());
  db.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_CASE_METHOD(fixture, "the server is rid of sessions that are idle for "
                          "long, and the next request opens one again") {
  auto config = settings();
  config.idle_timeout = 200ms;
  auto aut = start(config);
  std::atomic<uint64_t> heard = 0;
  auto listener = sys.spawn([&heard]() -> caf::behavior {
    return {[&heard](pool_reconnected x) { heard = x.generation; }};
  });
  self->send(aut, pool_subscribe{listener});
  REQUIRE(ask<lane_row>(self, aut, load_request{lane, false}));
  CHECK(without_backends());
  CHECK(ask<lane_row>(self, aut, load_request{lane, false}));
  CHECK(heard == 0);
  self->send_exit(listener, caf::exit_reason::user_shutdown);
}

TEST_CASE_METHOD(fixture, "a role that may have one connection only: the pool "
                          "goes on with that one") {
  auto role = "millrace_" + db.name();
  db.execute(std::format("CREATE ROLE {0} LOGIN CONNECTION LIMIT 1; GRANT "
                         "pg_read_all_data TO {0}",
                         role));
  auto config = settings();
  config.sessions = 2;
  config.session.keywords.emplace_back("user", role);
  auto aut = start(config);
  REQUIRE(ask<lane_row>(self, aut, load_request{lane, false}));
  auto blocker = open();
  must(blocker.run("BEGIN; LOCK TABLE millrace.lane"));
  auto first = self->request(aut, 60s, load_request{lane, false});
  auto second = self->request(aut, 60s, load_request{lane, false});
  pool_status now;
  auto until = std::chrono::steady_clock::now() + 60s;
  while (now.down == 0 && std::chrono::steady_clock::now() < until)
    now = *ask<pool_status>(self, aut, pool_inquiry{});
  CHECK(now.down == 1);
  CHECK(now.queued == 1);
  must(blocker.run("COMMIT"));
  blocker.close();
  auto got = [](const lane_row& x) { CHECK(x.next_seq == seq{1}); };
  auto failed = [](const caf::error& e) { FAIL(to_string(e)); };
  first.receive(got, failed);
  second.receive(got, failed);
  self->send_exit(aut, caf::exit_reason::user_shutdown);
  self->wait_for(aut);
  CHECK(without_backends());
  db.execute("DROP ROLE " + role);
}
