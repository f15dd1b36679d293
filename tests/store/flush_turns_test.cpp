// What a flush costs on the wire, and what protects the server from a session.

#include "tests/store/proxied_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Counts how often the client speaks after the server.
struct turn_count {
  std::atomic<bool> client_speaks = false;
  std::atomic<int> turns = 0;
};

struct fixture : proxied_fixture {
  std::shared_ptr<turn_count> wire = std::make_shared<turn_count>();

  fixture() {
    proxy.on_client([wire = wire](std::string&) {
      if (!wire->client_speaks.exchange(true))
        ++wire->turns;
      return proxy_act::forward;
    });
    proxy.on_server([wire = wire](std::string&) {
      wire->client_speaks = false;
      return proxy_act::forward;
    });
  }

  /// How many turns a flush of these writes takes, a row each.
  int turns_of(connection& on, const std::vector<std::size_t>& writes) {
    row = must(store().load({lane, false}));
    auto at = row.effective(slot{0}).value;
    auto data = batch_of(at, at + 1);
    for (auto w : writes)
      add_row(data.blocks[w], at, event_row(at, at, "a"), at);
    wire->turns = 0;
    auto result = run(on, flush_of(row, std::move(data)));
    INFO(result.message);
    REQUIRE(result.verdict == flush_verdict::committed);
    return wire->turns;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a flush is one query string: it takes one round "
                          "trip, and one more for each table that gets rows") {
  auto mine = must(connection::open(through_proxy()));
  // A connection makes all of its staging tables before its first flush.
  CHECK(turns_of(mine, {}) == 2);
  CHECK(turns_of(mine, {}) == 1);
  CHECK(turns_of(mine, {0}) == 2);
  CHECK(turns_of(mine, {1}) == 2);
  CHECK(turns_of(mine, {0, 1, 2}) == 4);
}

TEST_CASE_METHOD(store_fixture, "a session has every protective timeout that "
                                "its limits name") {
  auto limits = config();
  limits.statement_timeout = 61s;
  limits.lock_timeout = 4s;
  limits.idle_in_transaction_timeout = 59s;
  limits.transaction_timeout = 301s;
  limits.connection_check_interval = 9s;
  auto mine = must(connection::open(limits));
  auto has = must(mine.query(
    "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM "
    "pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', "
    "'idle_in_transaction_session_timeout', 'transaction_timeout', "
    "'client_connection_check_interval')"));
  CHECK(has.rows[0][0]
        == "client_connection_check_interval=9000 "
           "idle_in_transaction_session_timeout=59000 lock_timeout=4000 "
           "statement_timeout=61000 transaction_timeout=301000");
}

TEST_CASE_METHOD(store_fixture, "server and client find out in the same time "
                                "that the other one is gone") {
  auto keepalives = [](connection to) {
    auto found = must(
      to.query("SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings "
               "WHERE name LIKE 'tcp_keepalives_%'"));
    return *found.rows[0][0];
  };
  auto limits = config();
  CHECK(keepalives(must(connection::open(limits))) == "4 10 5");
  limits.keywords.emplace_back("keepalives_idle", "30");
  CHECK(keepalives(must(connection::open(limits))) == "4 30 5");
}
