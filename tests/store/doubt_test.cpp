// A connection that is lost, at every point where that makes a difference.

#include "tests/store/proxied_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture : proxied_fixture {
  flush one_row() const {
    auto data = batch_of(100, 101);
    add_row(data.blocks[0], 100, event_row(1, {}, "a"), 1);
    return flush_of(row, std::move(data));
  }

  /// Next seq, and how many rows there are: "2 1" when all is written.
  std::string state() const {
    return db.value("SELECT next_seq || ' ' || (SELECT count(*) FROM "
                    "tenant_demo.log) FROM millrace.lane WHERE shard = 0");
  }
};

bool is_copy_done(const std::string& piece) {
  // CopyDone, then Sync or nothing: always the end of a piece.
  return piece.ends_with(std::string{"c\0\0\0\4", 5});
}

const std::string commit_tag{"C\0\0\0\13COMMIT", 11};

} // namespace

TEST_CASE_METHOD(fixture, "a flush whose COMMIT never left is in doubt, and "
                          "nothing of it was written") {
  auto mine = must(connection::open(through_proxy()));
  proxy.on_client([](std::string& piece) {
    return is_copy_done(piece) ? proxy_act::cut : proxy_act::forward;
  });
  auto result = run(mine, one_row());
  CHECK(result.verdict == flush_verdict::in_doubt);
  CHECK(result.action == failure_action::reconnect);
  CHECK_FALSE(mine.is_open());
  must(store().load({lane, true}));
  CHECK(state() == "1 0");
}

TEST_CASE_METHOD(fixture, "a flush whose answer got lost is in doubt, and all "
                          "of it was written") {
  auto mine = must(connection::open(through_proxy()));
  proxy.on_server([](std::string& piece) {
    return piece.contains(commit_tag) ? proxy_act::cut : proxy_act::forward;
  });
  auto result = run(mine, one_row());
  CHECK(result.verdict == flush_verdict::in_doubt);
  CHECK(must(store().load({lane, true})).next_seq == seq{2});
  CHECK(state() == "2 1");
}

TEST_CASE_METHOD(fixture, "an answer that does not come ends the flush in "
                          "doubt when its time is up") {
  auto mine = must(connection::open(through_proxy()));
  proxy.on_server([](std::string& piece) {
    return piece.contains(commit_tag) ? proxy_act::hold : proxy_act::forward;
  });
  flush_run aut{mine, one_row(), 500ms};
  while (aut.advance(100ms) == flush_progress::pending)
    continue;
  CHECK(aut.result().verdict == flush_verdict::in_doubt);
  CHECK_FALSE(mine.is_open());
}

TEST_CASE_METHOD(fixture, "the tag ROLLBACK is a failure, even without an "
                          "error") {
  auto mine = must(connection::open(through_proxy()));
  proxy.on_server([](std::string& piece) {
    if (auto at = piece.find(commit_tag); at != piece.npos)
      piece.replace(at, commit_tag.size(),
                    std::string{"C\0\0\0\15ROLLBACK", 13});
    return proxy_act::forward;
  });
  auto result = run(mine, one_row());
  CHECK(result.verdict == flush_verdict::failed);
  CHECK(result.action == failure_action::retry);
  CHECK_THAT(result.message, ContainsSubstring("ROLLBACK"));
}

TEST_CASE_METHOD(fixture, "a flush without COPY is in doubt from its send") {
  auto mine = must(connection::open(through_proxy()));
  proxy.on_client([](std::string& piece) {
    return piece.contains("millrace.claim") ? proxy_act::cut
                                            : proxy_act::forward;
  });
  auto result = run(mine, flush_of(row, batch_of(100, 105)));
  CHECK(result.verdict == flush_verdict::in_doubt);
  CHECK(state() == "1 0");
}

TEST_CASE_METHOD(fixture, "a connection lost before the last CopyDone is not "
                          "in doubt") {
  auto mine = must(connection::open(through_proxy()));
  proxy.on_client([](std::string& piece) {
    return piece.contains("millrace.claim") ? proxy_act::cut
                                            : proxy_act::forward;
  });
  auto result = run(mine, one_row());
  CHECK(result.verdict == flush_verdict::disconnected);
  CHECK(state() == "1 0");
}

TEST_CASE_METHOD(fixture, "a backend that is terminated before COMMIT says so: "
                          "no doubt") {
  db.execute("CREATE FUNCTION tenant_demo.die() RETURNS trigger LANGUAGE "
             "plpgsql AS 'BEGIN PERFORM pg_terminate_backend("
             "pg_backend_pid()); RETURN NEW; END'; CREATE TRIGGER t BEFORE "
             "INSERT ON tenant_demo.log FOR EACH ROW EXECUTE FUNCTION "
             "tenant_demo.die()");
  auto mine = open();
  auto result = run(mine, one_row());
  INFO(result.message);
  CHECK(result.verdict == flush_verdict::disconnected);
  CHECK(result.sqlstate == "57P01");
  CHECK_FALSE(mine.is_open());
  CHECK(state() == "1 0");
}

TEST_CASE_METHOD(fixture, "a run that goes away closes its connection, and the "
                          "server takes everything back") {
  auto mine = open();
  auto pid = mine.backend_pid();
  {
    flush_run aut{mine, one_row(), 20s};
    auto blocker = open();
    must(blocker.run("BEGIN; LOCK TABLE tenant_demo.log"));
    CHECK(aut.advance(100ms) == flush_progress::pending);
  }
  CHECK_FALSE(mine.is_open());
  for (int i = 0; i < 200; ++i)
    if (db.value("SELECT count(*) FROM pg_stat_activity WHERE pid = "
                 + std::to_string(pid))
        == "0")
      break;
  CHECK(must(store().load({lane, true})).next_seq == seq{1});
}

TEST_CASE_METHOD(fixture, "a pooler in between is refused") {
  proxy.on_server([](std::string& piece) {
    // BackendKeyData: the pooler's own idea of a process id.
    if (auto at = piece.find(std::string{"K\0\0\0\14", 5}); at != piece.npos)
      piece[at + 8] = static_cast<char>(piece[at + 8] ^ 1);
    return proxy_act::forward;
  });
  auto result = connection::open(through_proxy());
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::refused);
  CHECK_THAT(result.error().message, ContainsSubstring("PgBouncer"));
}

TEST_CASE_METHOD(fixture, "a server that is too old is refused") {
  proxy.on_server([](std::string& piece) {
    constexpr std::string_view name{"server_version\0", 15};
    if (auto at = piece.find(name); at != piece.npos)
      piece.replace(at + name.size(), 2, "13");
    return proxy_act::forward;
  });
  auto result = connection::open(through_proxy());
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::refused);
  CHECK_THAT(result.error().message,
             ContainsSubstring("PostgreSQL 13") && ContainsSubstring("14"));
}

TEST_CASE_METHOD(fixture, "a server that takes no writes is not connected to") {
  db.execute("ALTER DATABASE " + db.name()
             + " SET default_transaction_read_only = on");
  auto result = connection::open(config());
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::unavailable);
  CHECK_THAT(result.error().message, ContainsSubstring("read-only"));
}

TEST_CASE_METHOD(fixture, "a database in another encoding is refused") {
  auto name = unique_name("latin");
  db.execute("CREATE DATABASE " + name
             + " ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  auto other = config();
  other.keywords.emplace_back("dbname", name);
  auto result = connection::open(other);
  db.execute("DROP DATABASE " + name);
  REQUIRE_FALSE(result);
  CHECK_THAT(result.error().message, ContainsSubstring("LATIN1"));
}

TEST_CASE_METHOD(fixture, "an idle connection that the server has closed is "
                          "noticed without asking") {
  auto mine = open();
  CHECK(mine.still_there());
  db.execute("SELECT pg_terminate_backend(" + std::to_string(mine.backend_pid())
             + ", 2000)");
  for (int i = 0; i < 100 && mine.still_there(); ++i)
    std::this_thread::sleep_for(10ms);
  CHECK_FALSE(mine.is_open());
  CHECK(mine.query("SELECT 1").error().code == store_errc::unavailable);
}

TEST_CASE("a server that does not answer is given up in time") {
  session_config config;
  config.keywords = {{"host", "127.0.0.1"}, {"port", "1"}};
  auto result = connection::open(config);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::unavailable);
  // A proxy without a server takes the connection and says nothing.
  cut_proxy silent{1};
  silent.on_client([](std::string&) { return proxy_act::hold; });
  config.keywords[1].second = std::to_string(silent.port());
  config.connect_timeout = 300ms;
  result = connection::open(config);
  REQUIRE_FALSE(result);
}

TEST_CASE_METHOD(fixture, "a statement that a frozen server does not answer is "
                          "given up, and its connection with it") {
  auto patient = through_proxy();
  patient.statement_timeout = 1ms; // some seconds more on our side
  auto hurried = connection::open(patient);
  REQUIRE(hurried);
  proxy.on_server([](std::string&) { return proxy_act::hold; });
  auto result = hurried->query("SELECT 1");
  REQUIRE_FALSE(result);
  CHECK(result.error().code == store_errc::unavailable);
  CHECK_THAT(result.error().message, ContainsSubstring("no answer within"));
  CHECK_FALSE(hurried->is_open());
}

TEST_CASE_METHOD(fixture, "errors of the server keep the connection, unless "
                          "they say that it ends") {
  auto mine = open();
  auto failed = mine.query("SELECT $1::int / 0", {"1"});
  CHECK(failed.error().sqlstate == "22012");
  CHECK(mine.is_open());
  CHECK(mine.run("SELECT 1; SELECT nothing; SELECT 2").error().code
        == store_errc::misconfigured);
  CHECK(must(mine.query("SELECT $1::text IS NULL", {{}})).rows[0][0] == "t");
  // A transaction that failed in between cannot be committed.
  auto swallowed = mine.in_transaction([&]() -> store_result<void> {
    CHECK_FALSE(mine.query("SELECT 1/0"));
    return {};
  });
  CHECK_THAT(swallowed.error().message, ContainsSubstring("ROLLBACK"));
  CHECK(mine.is_open());
  auto copied = mine.run("COPY tenant_demo.log FROM STDIN");
  REQUIRE_FALSE(copied);
  CHECK(copied.error().code == store_errc::refused);
  CHECK_FALSE(mine.is_open());
}
