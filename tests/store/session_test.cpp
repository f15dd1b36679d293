// POOL and SESSIONS as they are, against PostgreSQL.

#include "actors/store/pool.hpp"
#include "tests/store/cut_proxy.hpp"
#include "tests/store/store_fixture.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

struct fixture : store_fixture {
  caf::actor_system_config options;
  caf::actor_system sys{options};
  caf::scoped_actor self{sys};
  pool_actor aut;

  void start(session_config session, uint32_t sessions = 2) {
    pool_config settings;
    settings.tenant = "demo";
    settings.sessions = sessions;
    settings.session = std::move(session);
    settings.delays.initial = 10ms;
    settings.delays.max = 50ms;
    aut = sys.spawn<pool>(settings);
  }

  ~fixture() {
    self->send_exit(aut, caf::exit_reason::user_shutdown);
    self->wait_for(aut);
  }

  template <class Result, class Request>
  caf::expected<Result> ask(Request x) {
    caf::expected<Result> result{caf::make_error(caf::sec::none)};
    self->request(aut, 30s, std::move(x))
      .receive([&](Result& got) { result = std::move(got); },
               [&](caf::error& why) { result = std::move(why); });
    return result;
  }

  /// Asks again while the pool has no connection.
  lane_row take_over() {
    for (int i = 0; i < 500; ++i) {
      auto got = ask<lane_row>(takeover_request{lane, uuid::random(), "n"});
      if (got)
        return *got;
      std::this_thread::sleep_for(10ms);
    }
    throw std::runtime_error("no takeover");
  }

  flush one_row(const lane_row& row, int64_t at) const {
    auto data = batch_of(at, at + 1);
    add_row(data.blocks[0], at, event_row(at, {}, "a"), at);
    return flush_of(row, std::move(data));
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a lane's life through the pool: boot, view, take "
                          "over, flush, floor") {
  start(config());
  auto booted = ask<boot_result>(boot_of(2));
  REQUIRE(booted);
  CHECK(booted->lanes.size() == 2);
  auto row = ask<lane_row>(takeover_request{lane, uuid::random(), "n"});
  REQUIRE(row);
  auto done = ask<flush_result>(one_row(*row, 100));
  REQUIRE(done);
  CHECK(done->verdict == flush_verdict::committed);
  auto again = ask<lane_row>(load_request{lane, false});
  REQUIRE(again);
  CHECK(again->next_seq == seq{2});
  partition_id source{topic_id, partition{0}};
  auto view = ask<partition_view>(view_request{"p", source});
  REQUIRE(view);
  CHECK(view->lanes.at(0).effective == offset{101});
  floor_request act{"p", source, {}, false, {}};
  act.act.full = true;
  act.act.floor = view->floor;
  act.act.token = view->token;
  act.act.map_version = view->map_version;
  auto answer = ask<floor_answer>(act);
  REQUIRE(answer);
  CHECK(answer->accepted);
  auto none = ask<lane_row>(load_request{{"p", "demo", shard{9}}, false});
  REQUIRE_FALSE(none);
  CHECK(none.error() == store_errc::no_lane);
}

TEST_CASE_METHOD(fixture, "a table that is missing parks the tenant: other "
                          "lanes are refused until the one that found it gets "
                          "through") {
  // One session: what waits for it comes after what its last flush said.
  start(config(), 1);
  auto flush_row_of = [this](int32_t number, const lane_row& row) {
    lane.number = shard{number};
    return ask<flush_result>(one_row(row, 100));
  };
  auto first = take_over();
  lane.number = shard{1};
  auto second = take_over();
  db.execute("ALTER TABLE tenant_demo.log RENAME TO gone");
  auto failed = flush_row_of(0, first);
  REQUIRE(failed);
  CHECK(failed->action == failure_action::park);
  CHECK(failed->message.contains("millrace migrate up"));
  auto refused = flush_row_of(1, second);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == store_errc::misconfigured);
  CHECK(to_string(refused.error()).contains("42P01"));
  db.execute("ALTER TABLE tenant_demo.gone RENAME TO log");
  auto mended = flush_row_of(0, first);
  REQUIRE(mended);
  CHECK(mended->verdict == flush_verdict::committed);
  // Waits for the session, and thereby for what it says of that flush.
  CHECK(ask<lane_row>(load_request{lane, false}));
  auto other = flush_row_of(1, second);
  REQUIRE(other);
  CHECK(other->verdict == flush_verdict::committed);
}

TEST_CASE_METHOD(fixture, "flushes of two lanes run at the same time") {
  start(config());
  auto first = take_over();
  auto blocker = open();
  must(blocker.run("BEGIN; LOCK TABLE tenant_demo.log"));
  auto slow = self->request(aut, 30s, one_row(first, 100));
  // The second one does not touch the locked table.
  lane.number = shard{1};
  auto other = take_over();
  auto quick = ask<flush_result>(flush_of(other, batch_of(100, 105)));
  REQUIRE(quick);
  CHECK(quick->verdict == flush_verdict::committed);
  must(blocker.run("COMMIT"));
  slow.receive(
    [](const flush_result& x) { CHECK(x.verdict == flush_verdict::committed); },
    [](const caf::error& e) { FAIL(to_string(e)); });
}

TEST_CASE_METHOD(fixture, "sessions come back after their backends were "
                          "terminated, idle ones too, and say so") {
  start(config(), 1);
  std::atomic<uint64_t> heard = 0;
  auto listener = sys.spawn([&heard]() -> caf::behavior {
    return {[&heard](pool_reconnected x) { heard = x.generation; }};
  });
  auto row = take_over();
  self->send(aut, pool_subscribe{listener});
  for (uint64_t round = 1; round <= 3; ++round) {
    db.execute("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
               "WHERE application_name = 'millrace' AND datname = "
               "current_database() AND pid <> "
               + std::to_string(conn->backend_pid()));
    // Nobody asks for anything: the session must notice by itself.
    for (int i = 0; i < 1'000 && heard < round; ++i)
      std::this_thread::sleep_for(10ms);
    CHECK(heard == round);
  }
  auto done = ask<flush_result>(one_row(row, 100));
  REQUIRE(done);
  CHECK(done->verdict == flush_verdict::committed);
  self->send_exit(listener, caf::exit_reason::user_shutdown);
}

TEST_CASE_METHOD(fixture, "a server that is away is waited for, and requests "
                          "are refused meanwhile") {
  auto colon = db.url().rfind(':');
  cut_proxy proxy{static_cast<uint16_t>(std::stoi(db.url().substr(colon + 1)))};
  std::atomic<bool> away = true;
  proxy.on_client([&away](std::string&) {
    return away ? proxy_act::cut : proxy_act::forward;
  });
  auto through = config();
  through.keywords.emplace_back("host", "127.0.0.1");
  through.keywords.emplace_back("port", std::to_string(proxy.port()));
  through.keywords.emplace_back("sslmode", "disable");
  start(through);
  auto refused = ask<lane_row>(load_request{lane, false});
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == store_errc::unavailable);
  away = false;
  auto row = take_over();
  CHECK(row.next_seq == seq{1});
}

TEST_CASE_METHOD(fixture, "an answer that got lost is in doubt, and the row "
                          "tells what became of it") {
  auto colon = db.url().rfind(':');
  cut_proxy proxy{static_cast<uint16_t>(std::stoi(db.url().substr(colon + 1)))};
  auto through = config();
  through.keywords.emplace_back("host", "127.0.0.1");
  through.keywords.emplace_back("port", std::to_string(proxy.port()));
  through.keywords.emplace_back("sslmode", "disable");
  start(through, 1);
  auto row = take_over();
  proxy.on_server([](std::string& piece) {
    return piece.contains(std::string{"C\0\0\0\13COMMIT", 11})
             ? proxy_act::cut
             : proxy_act::forward;
  });
  auto result = ask<flush_result>(one_row(row, 100));
  REQUIRE(result);
  CHECK(result->verdict == flush_verdict::in_doubt);
  proxy.on_server({});
  for (int i = 0; i < 500; ++i) {
    auto found = ask<lane_row>(load_request{lane, true});
    if (!found) {
      std::this_thread::sleep_for(10ms);
      continue;
    }
    CHECK(found->next_seq == seq{2});
    CHECK(found->owner == row.owner);
    return;
  }
  FAIL("no answer");
}
