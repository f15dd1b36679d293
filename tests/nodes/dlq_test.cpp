// `millrace dlq …` against real servers: looking, replaying, discarding.

#include "nodes/cli/config_files.hpp"
#include "nodes/cli/dlq_replay.hpp"
#include "tests/nodes/lanes_fixture.hpp"
#include "tests/store/cut_proxy.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <atomic>
#include <cstdlib>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto letters = "SELECT count(*) FROM millrace.dead_letter";

/// Rows of a tenant and dead letters: "3 rows, 2 left".
std::string state(const scratch_database& db,
                  const std::string& tenant = "south") {
  return db.value("SELECT (SELECT count(*) FROM tenant_" + tenant
                  + ".notes) || ' rows, ' || (SELECT count(*) FROM "
                    "millrace.dead_letter) || ' left'");
}

/// `number` events of the tenant `south`, which is not configured yet: they
/// become dead letters of `_unrouted`. Then the tenant is configured.
struct unrouted_fixture : lanes_fixture {
  void set_aside(int number, bool guarded = true,
                 const std::string& value = "v") {
    write_config(false, guarded);
    std::string lines;
    for (int i = 0; i < number; ++i)
      lines += std::format("{{\"id\":{},\"v\":\"{}{}\"}}\n", i, value, i);
    send(lines, "south");
    auto node = start_node();
    await(letters, std::to_string(number));
    write_config(true, guarded);
    auto changed = run({"lanes", "change", "--pipeline", "notes", "--reason",
                        "a new tenant", "--yes"});
    INFO(changed.err);
    CHECK(changed.code == 0);
    stop(node);
  }

  test::outcome replay(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args{"dlq", "replay", "--tenant", "_unrouted"};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }

  /// What the lanes of `south` cannot have done by themselves.
  std::string offsets() const {
    return db.value("SELECT string_agg(next_off::text, ' ' ORDER BY shard) "
                    "FROM millrace.lane WHERE tenant = 'south'");
  }
};

uint16_t port_of(const std::string& url) {
  auto colon = url.rfind(':');
  return static_cast<uint16_t>(std::stoi(url.substr(colon + 1)));
}

} // namespace

TEST_CASE_METHOD(lanes_fixture, "dead letters are listed, counted, shown and "
                                "discarded with an audit row") {
  send("{\"id\":1,\"v\":\"a\"}\nnot json\n{\"v\":\"no id\"}\n");
  ingest(letters, "2");
  auto listed = run({"dlq", "list", "--json"});
  INFO(listed.out << listed.err);
  REQUIRE(listed.code == 0);
  json_document all{listed.out};
  REQUIRE(all.size() == 2);
  auto one = run({"dlq", "list", "--stage", "decode", "--match", "JSON",
                  "--since", "1h", "--topic", topic, "--json"});
  json_document found{one.out};
  REQUIRE(found.size() == 1);
  CHECK(found.integer("/0/offset") == 1);
  CHECK(found.text("/0/stage") == "decode");
  for (const std::vector<std::string>& none :
       {std::vector<std::string>{"--until", "1h"},
        {"--tenant", "south"},
        {"--pipeline", "x"},
        {"--sqlstate", "23514"},
        {"--match", "100%"}}) {
    std::vector<std::string> args{"dlq", "list", "--json"};
    args.insert(args.end(), none.begin(), none.end());
    CHECK(run(args).out == "[]\n");
  }
  auto counted = run({"dlq", "count", "--json"});
  json_document counts{counted.out};
  CHECK(counts.size() == 2);
  CHECK(counts.integer("/0/count") == 1);
  CHECK_THAT(run({"dlq", "list"}).out, ContainsSubstring(topic + "/0@1"));
  CHECK_THAT(run({"dlq", "count"}).out, ContainsSubstring("COUNT"));

  auto lane = found.text("/0/lane");
  auto seq = std::to_string(found.integer("/0/seq"));
  auto shown = run({"dlq", "show", lane, seq, "--json"});
  json_document letter{shown.out};
  CHECK(letter.text("/value") == "not json");
  CHECK((*letter).at_key("key").is_null());
  CHECK(run({"dlq", "show", lane, seq, "--raw"}).out == "not json");
  CHECK_THAT(run({"dlq", "show", lane, seq}).out,
             ContainsSubstring("value:     not json\n"));
  CHECK(run({"dlq", "show", lane, "99"}).code == 1);

  auto gone = run({"dlq", "discard", lane, seq, "--reason", "test data"});
  INFO(gone.err);
  CHECK(gone.code == 0);
  CHECK(gone.out == "discarded 1\n");
  CHECK(run({"dlq", "discard", lane, seq, "--reason", "again"}).code == 1);
  CHECK(db.value("SELECT (before->>'offset') || ' ' || (before->>'sha256') || "
                 "' ' || reason FROM millrace.admin_action")
        == "1 7ccfa1fbf3940e6f0c0375d87c0f9235a50514e14cb427bdfaf5077987b26ccf"
           " test data");
  auto asked = run({"dlq", "discard", "--stage", "map", "--reason", "x"});
  CHECK(asked.code == 1);
  CHECK_THAT(asked.err, ContainsSubstring("1 dead letters"));
  CHECK(state(db, "north") == "1 rows, 1 left");
  auto rest = run(
    {"dlq", "discard", "--stage", "map", "--reason", "x", "--yes", "--json"});
  CHECK(rest.out == "{\"discarded\":1}\n");
  CHECK(state(db, "north") == "1 rows, 0 left");
}

TEST_CASE_METHOD(unrouted_fixture, "records of a tenant that was unknown are "
                                   "written by its lanes once it is there") {
  set_aside(3);
  auto before = offsets();
  auto seqs = db.value("SELECT sum(next_seq) FROM millrace.lane WHERE tenant "
                       "= 'south'");
  auto x = replay({"--json"});
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  json_document told{x.out};
  CHECK(told.integer("/replayed") == 3);
  CHECK(told.integer("/failed") == 0);
  CHECK(state(db) == "3 rows, 0 left");
  CHECK(notes("south") == "0:v0 1:v1 2:v2");
  CHECK(offsets() == before);
  CHECK(db.value("SELECT sum(next_seq) - " + seqs
                 + " FROM millrace.lane WHERE tenant = 'south'")
        == "3");
  CHECK(db.value("SELECT string_agg(before->>'offset', ' ' ORDER BY id) FROM "
                 "millrace.admin_action WHERE command = 'dlq replay'")
        == "0 1 2");
  // Nothing is left to do, and a node takes its lanes back.
  CHECK(replay().out == "replayed 0, failed 0, refused 0, gone 0\n");
  send("{\"id\":0,\"v\":\"w\"}\n", "south");
  ingest("SELECT count(*) FROM tenant_south.notes", "4");
}

TEST_CASE_METHOD(unrouted_fixture, "a replay that PostgreSQL refuses keeps the "
                                   "dead letter with the new reason") {
  set_aside(2, true, "b");
  db.execute("ALTER TABLE tenant_south.notes ADD CHECK (v <> 'b1')");
  auto x = replay();
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.out, ContainsSubstring("replayed 1, failed 1"));
  CHECK_THAT(x.err, ContainsSubstring("23514"));
  CHECK(state(db) == "1 rows, 1 left");
  CHECK(db.value("SELECT stage || ' ' || sqlstate FROM millrace.dead_letter")
        == "store 23514");
  CHECK(db.value("SELECT reason FROM millrace.dead_letter")
          .contains("violates check constraint"));
  db.execute("ALTER TABLE tenant_south.notes DROP CONSTRAINT notes_v_check1");
  CHECK(replay().code == 0);
  CHECK(state(db) == "2 rows, 0 left");
}

TEST_CASE_METHOD(lanes_fixture, "a record that still cannot be read keeps its "
                                "dead letter") {
  send("not json\n");
  ingest(letters, "1");
  db.execute("UPDATE millrace.dead_letter SET reason = 'old'");
  auto x = run({"dlq", "replay", "--pipeline", "notes", "--json"});
  CHECK(x.code == 1);
  json_document told{x.out};
  CHECK(told.integer("/failed") == 1);
  CHECK_THAT(told.text("/others/0/reason"), ContainsSubstring("not JSON"));
  CHECK(
    db.value("SELECT reason FROM millrace.dead_letter").contains("not JSON"));
}

TEST_CASE_METHOD(unrouted_fixture, "without a guard an older event replaces a "
                                   "newer row only by force") {
  set_aside(1, false);
  db.execute("INSERT INTO tenant_south.latest VALUES (0, 99, 'newer')");
  auto x = replay();
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("--force"));
  CHECK(state(db) == "0 rows, 1 left");
  CHECK(replay({"--force"}).code == 0);
  CHECK(state(db) == "1 rows, 0 left");
  CHECK(db.value("SELECT v FROM tenant_south.latest") == "v0");
}

TEST_CASE_METHOD(unrouted_fixture, "with a guard a replay leaves newer rows "
                                   "alone") {
  set_aside(1);
  db.execute("INSERT INTO tenant_south.latest VALUES (0, 99, 'newer')");
  CHECK(replay().code == 0);
  CHECK(state(db) == "1 rows, 0 left");
  CHECK(db.value("SELECT v FROM tenant_south.latest") == "newer");
}

TEST_CASE_METHOD(unrouted_fixture, "a lane that is halted or not made yet "
                                   "refuses replays") {
  set_aside(1);
  db.execute("UPDATE millrace.lane SET state = 'halted'");
  auto x = replay();
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("is halted; 'millrace lanes resume'"));
  db.execute("DELETE FROM millrace.lane WHERE tenant = 'south'");
  CHECK_THAT(replay().err, ContainsSubstring("the node makes it at its start"));
  CHECK(state(db) == "0 rows, 1 left");
}

TEST_CASE_METHOD(unrouted_fixture, "two replays at once write every record "
                                   "once") {
  set_aside(40);
  std::vector<std::string> args{"dlq",    "replay",   "--tenant", "_unrouted",
                                "--json", "--config", config};
  process first{args, environment()};
  process second{args, environment()};
  auto a = first.wait();
  auto b = second.wait();
  INFO(a.out << a.err << b.out << b.err);
  CHECK(a.code == 0);
  CHECK(b.code == 0);
  json_document x{a.out};
  json_document y{b.out};
  CHECK(x.integer("/replayed") + y.integer("/replayed") == 40);
  CHECK(state(db) == "40 rows, 0 left");
  CHECK(db.value("SELECT count(DISTINCT id) FROM tenant_south.notes") == "40");
}

TEST_CASE_METHOD(unrouted_fixture, "a replay beside a node that writes the "
                                   "same lanes loses and doubles nothing") {
  set_aside(20);
  auto node = start_node();
  std::string lines;
  for (int i = 0; i < 200; ++i)
    lines += std::format("{{\"id\":{},\"v\":\"new\"}}\n", i % 20);
  auto file = folder.write("more.ndjson", lines);
  process traffic{{"produce", topic, file, "--config", config, "--header",
                   "tenant=south", "--rate", "100", "--quiet"},
                  environment()};
  auto x = replay();
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(traffic.wait().code == 0);
  await("SELECT count(*) FROM tenant_south.notes", "220");
  CHECK(state(db) == "220 rows, 0 left");
  CHECK(db.value("SELECT count(DISTINCT at) FROM tenant_south.notes") == "220");
  CHECK(db.value("SELECT count(*) FROM tenant_south.latest WHERE v = 'new'")
        == "20");
  stop(node);
}

TEST_CASE_METHOD(unrouted_fixture, "a replay that is killed again and again "
                                   "ends with every record once") {
  set_aside(60);
  std::vector<std::string> args{"dlq",       "replay",   "--tenant",
                                "_unrouted", "--config", config};
  auto written = [&] {
    return std::stoi(db.value("SELECT count(*) FROM tenant_south.notes"));
  };
  for (int round = 0; round < 5; ++round) {
    process aut{args, environment()};
    auto until = std::chrono::steady_clock::now() + 30s;
    // Somewhere in the middle, never in the same place.
    while (written() < 10 * (round + 1)
           && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(1ms);
    aut.signal(SIGKILL);
    aut.wait();
    CHECK(db.value("SELECT count(DISTINCT id) = count(*) FROM "
                   "tenant_south.notes")
          == "t");
  }
  CHECK(replay().code == 0);
  CHECK(state(db) == "60 rows, 0 left");
  CHECK(db.value("SELECT count(DISTINCT id) FROM tenant_south.notes") == "60");
}

TEST_CASE_METHOD(unrouted_fixture, "a connection that breaks at a replay's "
                                   "COMMIT leaves no doubt") {
  set_aside(3);
  cut_proxy proxy{port_of(db.url())};
  auto url = std::format("postgresql://millrace@127.0.0.1:{}/{}?sslmode="
                         "disable&gssencmode=disable",
                         proxy.port(), db.name());
  std::atomic<int> cuts = 0;
  auto wanted = GENERATE(0, 1, 2);
  if (wanted == 0)
    // The rows never leave.
    proxy.on_client([&](std::string& piece) {
      auto cut = piece.contains("take_dead_letter") && cuts++ == 1;
      return cut ? proxy_act::cut : proxy_act::forward;
    });
  else if (wanted == 1)
    // COMMIT waits behind a CopyDone that never arrives.
    proxy.on_client([&](std::string& piece) {
      auto done = piece.ends_with(std::string{"c\0\0\0\4", 5});
      return done && cuts++ == 1 ? proxy_act::cut : proxy_act::forward;
    });
  else
    // It is committed, but nobody is told.
    proxy.on_server([&](std::string& piece) {
      auto end = piece.contains("COPY 1") && piece.contains("COMMIT");
      return end && cuts++ == 0 ? proxy_act::cut : proxy_act::forward;
    });
  auto x
    = test::run({"dlq", "replay", "--tenant", "_unrouted", "--config", config},
                {{"DB_URL", url}});
  INFO(wanted << ' ' << x.out << x.err);
  CHECK(x.code == 0);
  CHECK(cuts > (wanted == 2 ? 0 : 1));
  CHECK_THAT(x.out, ContainsSubstring("replayed 3"));
  CHECK(state(db) == "3 rows, 0 left");
  CHECK(db.value("SELECT count(DISTINCT id) FROM tenant_south.notes") == "3");
}

TEST_CASE_METHOD(unrouted_fixture, "a dead letter of another database is "
                                   "written once, however often it is "
                                   "replayed") {
  set_aside(2);
  scratch_database other{"lanes"};
  REQUIRE(test::run({"migrate", "up", "--pg-env", "DB_URL"},
                    {{"DB_URL", other.url()}})
            .code
          == 0);
  auto move = [&] {
    for (const auto& x :
         db.rows("SELECT pipeline, tenant, shard, seq, topic, topic_name, "
                 "partition, \"offset\", headers, value, stage, reason FROM "
                 "millrace.dead_letter"))
      other.execute(std::format(
        "INSERT INTO millrace.dead_letter (pipeline, tenant, shard, seq, "
        "topic, topic_name, partition, \"offset\", headers, value, stage, "
        "reason) VALUES ('{}','{}',{},{},'{}','{}',{},{},'{}','{}','{}','{}')",
        x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10],
        "unknown"));
  };
  move();
  ::setenv("DB_URL", db.url().c_str(), 1);
  auto all = cli::load_checked(config, {});
  REQUIRE(all);
  cli::replay_settings settings{
    .session = cli::admin_session_config(all->postgresql, 5s)};
  settings.source = settings.session;
  settings.source->keywords = {{"dbname", other.url()}};
  admin_note note{"me", "here", "dlq replay", ""};
  auto replay_all = [&] {
    cli::replayer worker{*all, settings, note};
    auto conn = connection::open(*settings.source);
    REQUIRE(conn);
    auto page = dead_letters{*conn, note}.page({}, std::nullopt, 10);
    REQUIRE(page);
    CHECK(page->size() == 2);
    for (const auto& key : *page) {
      auto x = worker.replay(key);
      REQUIRE(x);
      CHECK(x->what == cli::replay_verdict::replayed);
    }
  };
  replay_all();
  CHECK(other.value(letters) == "0");
  CHECK(db.value("SELECT count(*) FROM millrace.replayed") == "2");
  CHECK(notes("south") == "0:v0 1:v1");
  // As if the process had died before it could remove them there.
  move();
  replay_all();
  CHECK(other.value(letters) == "0");
  CHECK(notes("south") == "0:v0 1:v1");
}
