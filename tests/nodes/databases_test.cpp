// Tenants of one pipeline in several databases, against real servers.

#include "tests/nodes/databases_fixture.hpp"
#include "tests/nodes/json.hpp"

#include <set>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto letters = "SELECT count(*) FROM millrace.dead_letter";

constexpr auto lanes = "SELECT string_agg(tenant || shard, ' ' ORDER BY tenant "
                       "COLLATE \"C\", shard) FROM millrace.lane";

} // namespace

TEST_CASE_METHOD(databases_fixture, "tenants of two databases get each event "
                                    "once, and what is nobody's goes to the "
                                    "control database") {
  send("north", 0, 40);
  send("south", 0, 30);
  send("nobody", 0, 3);
  // No JSON, and no number: a table of integers would notice by itself, one
  // without the column would not.
  send_lines("not json\n{\"t\":\"south\",\"id\":1,\"n\":01}\n"
             "{\"t\":\"south\",\"id\":1,\"n\":\"x\"}\n");
  auto node = start_node();
  await(control, count("north"), once(40));
  await(west, count("south"), once(30));
  await(control, letters, "5");
  await(west, letters, "1");
  CHECK(control.value(lanes) == "_unrouted0 _unrouted1 north0 north1");
  CHECK(west.value(lanes) == "south0 south1");
  CHECK(west.value("SELECT tenant || ' ' || stage FROM millrace.dead_letter")
        == "south map");
  stop(node);
  // A second life begins where the first one ended, in both.
  send("south", 30, 60);
  send("north", 40, 50);
  node = start_node();
  await(control, count("north"), once(50));
  await(west, count("south"), once(60));
  stop(node);
  CHECK(control.value(letters) == "5");
  CHECK(west.value(letters) == "1");
}

TEST_CASE_METHOD(databases_fixture, "migrate and validate look at every "
                                    "database") {
  auto pending = run({"migrate", "status"});
  CHECK_THAT(pending.out, ContainsSubstring("millrace@west"));
  auto one = run({"migrate", "up", "--database", "west"});
  INFO(one.out << one.err);
  REQUIRE(one.code == 0);
  CHECK(control.value("SELECT to_regnamespace('millrace')").empty());
  CHECK(west.value("SELECT to_regnamespace('millrace')") == "millrace");
  auto half = test::run({"validate", config}, environment());
  CHECK_THAT(half.err, ContainsSubstring("schema 'millrace' lacks"));
  CHECK_FALSE(half.err.contains("of database 'west'"));
  CHECK(run({"migrate", "up"}).code == 0);
  auto whole = test::run({"validate", "--require-servers", config},
                         environment());
  INFO(whole.err);
  CHECK(whole.code == 0);
  west.execute("ALTER TABLE tenant_south.notes DROP COLUMN n");
  auto broken = test::run({"validate", config}, environment());
  CHECK(broken.code == 2);
  CHECK_THAT(broken.err, ContainsSubstring("columns.n"));
  CHECK(run({"migrate", "up", "--database", "east"}).code == 2);
}

TEST_CASE_METHOD(databases_fixture, "a tenant that is new in another database "
                                    "begins where the control database has "
                                    "read to") {
  write_config("[[tenant]]\nname = \"north\"\n");
  send("north", 0, 10);
  send("south", 0, 7);
  auto node = start_node();
  await(control, letters, "7");
  await(control, count("north"), once(10));
  // Now it is known. What was set aside stays so until it is replayed.
  write_config(two_tenants());
  REQUIRE(run({"migrate", "up"}).code == 0);
  change();
  send("south", 7, 20);
  await(west, count("south"), once(13));
  CHECK(control.value(letters) == "7");
  auto replayed = run({"dlq", "replay", "--tenant", "_unrouted"});
  INFO(replayed.out << replayed.err);
  CHECK(replayed.code == 0);
  CHECK(replayed.out == "replayed 7, failed 0, refused 0, gone 0\n");
  CHECK(west.value(count("south")) == once(20));
  CHECK(west.value("SELECT count(*) FROM millrace.replayed") == "7");
  CHECK(control.value(letters) == "0");
  stop(node);
  // No database has two names.
  process twice{{"node", config},
                {{"CONTROL_URL", control.url()}, {"WEST_URL", control.url()}}};
  auto end = twice.wait();
  CHECK(end.code == 2);
  CHECK_THAT(end.err, ContainsSubstring("is known as 'postgresql'"));
}

TEST_CASE_METHOD(databases_fixture, "tenants whose tables differ are written "
                                    "side by side, also while one changes") {
  write_config(two_tenants() + "[[tenant]]\nname = \"east\"\n");
  control.execute(tables("east", "bigint"));
  send("north", 0, 20);
  send("east", 0, 20);
  auto node = start_node();
  await(control, count("north"), once(20));
  await(control, count("east"), once(20));
  // As wide as before: a bigint's bytes would pass for a tiny number.
  control.execute("ALTER TABLE tenant_east.notes ALTER n TYPE double "
                  "precision");
  send("east", 20, 40);
  send("north", 20, 40);
  await(control, count("north"), once(40));
  await(control, count("east"), once(40));
  stop(node);
  CHECK(control.value(letters) == "0");
  CHECK(control.value("SELECT DISTINCT n FROM tenant_east.notes") == "1");
  CHECK(control.value("SELECT count(DISTINCT shape) FROM millrace.lane WHERE "
                      "tenant IN ('north', 'east')")
        == "2");
}

namespace {

/// `south` is in the west, and may be in the control database.
struct moving_fixture : databases_fixture {
  moving_fixture() {
    control.execute(tables("south", "text"));
  }

  static std::string at_home() {
    return "[[tenant]]\nname = \"north\"\n[[tenant]]\nname = \"south\"\n";
  }

  /// Events that both databases can write.
  static std::string lines(int from, int to) {
    std::string result;
    for (auto i = from; i < to; ++i)
      result += std::format("{{\"t\":\"south\",\"id\":{}}}\n", i);
    return result;
  }

  /// Sends them for some seconds.
  std::unique_ptr<process> flow(int from, int to) {
    auto file = folder.write("flow.ndjson", lines(from, to));
    return std::make_unique<process>(
      std::vector<std::string>{"produce", topic, file, "--bootstrap", brokers_,
                               "--quiet", "--rate", "300"});
  }

  static int number(const scratch_database& db) {
    return std::stoi(db.value("SELECT count(*) FROM tenant_south.notes"));
  }

  /// Waits until both have so many rows together; then none is there twice.
  void await_all(int wanted) {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (number(control) + number(west) < wanted
           && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(50ms);
    std::set<std::vector<std::string>> places;
    for (const auto* db : {&control, &west})
      for (const auto& row : db->rows("SELECT p, o FROM tenant_south.notes"))
        CHECK(places.insert(row).second);
    CHECK(std::ssize(places) == wanted);
    CHECK(control.value(letters) == "0");
    CHECK(west.value(letters) == "0");
  }

  /// No change may come to its end there.
  static void stop_changes(const scratch_database& db) {
    db.execute("CREATE FUNCTION millrace.stop() RETURNS trigger LANGUAGE "
               "plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$; CREATE "
               "TRIGGER stop BEFORE UPDATE ON millrace.map_change FOR EACH ROW "
               "WHEN (NEW.state = 'switched') EXECUTE FUNCTION "
               "millrace.stop()");
  }

  static void allow_changes(const scratch_database& db) {
    db.execute("DROP TRIGGER stop ON millrace.map_change; DROP FUNCTION "
               "millrace.stop()");
  }

  test::outcome try_change() const {
    return run(change_words());
  }
};

constexpr auto fenced = "SELECT map_fingerprint = 0 FROM millrace.pipeline";

} // namespace

TEST_CASE_METHOD(moving_fixture, "a tenant moves to another database while "
                                 "events flow, and each is written once") {
  auto node = start_node();
  send_lines(lines(0, 50));
  await(west, count("south"), once(50));
  auto producer = flow(50, 1'000);
  write_config(at_home());
  REQUIRE(run({"migrate", "up"}).code == 0);
  change();
  CHECK(producer->wait().code == 0);
  send_lines(lines(1'000, 1'020));
  await_all(1'020);
  CHECK(number(control) >= 20);
  CHECK(number(west) >= 50);
  CHECK(west.value(lanes).empty());
  // And back, in two attempts.
  write_config(two_tenants());
  stop_changes(control);
  auto early = try_change();
  CHECK(early.code == 1);
  CHECK_THAT(early.err, ContainsSubstring("not now"));
  CHECK(west.value(fenced) == "f");
  allow_changes(control);
  // West is told that the tenant comes, and no more.
  stop_changes(west);
  producer = flow(1'020, 1'500);
  auto half = try_change();
  CHECK(half.code == 1);
  CHECK_THAT(half.err, ContainsSubstring("half made"));
  CHECK(west.value(fenced) == "t");
  CHECK(control.value(lanes) == "_unrouted0 _unrouted1 north0 north1");
  auto there = number(west);
  CHECK(producer->wait().code == 0);
  // A node that starts now does not read for west.
  stop(node);
  node = start_node();
  send("north", 0, 10);
  await(control, count("north"), once(10));
  CHECK(number(west) == there);
  write_config(at_home());
  auto astray = try_change();
  CHECK(astray.code == 1);
  CHECK_THAT(astray.err, ContainsSubstring("on its way"));
  write_config(two_tenants());
  allow_changes(west);
  change();
  // The flow may have been written as a whole before.
  send_lines(lines(1'500, 1'520));
  await_all(1'520);
  CHECK(west.value(lanes) == "south0 south1");
  CHECK(number(west) > there);
  stop(node);
}

TEST_CASE_METHOD(moving_fixture, "no tenant moves while a backfill of its "
                                 "pipeline is under way") {
  auto with_past = [&](const std::string& tenants) {
    write_config(tenants, std::format(R"toml(
[pipeline.past]
topics = ["{}"]
tenant = ".t"
lanes = 1
backfills = "notes"
[[pipeline.past.event]]
name = "note"
route = "required(.id)"
[[pipeline.past.event.write]]
table = "extra"
columns.id = "required(.id)"
)toml",
                                      topic));
  };
  for (const auto* db : {&control, &west})
    for (const auto* tenant : {"north", "south"})
      db->execute(std::format("CREATE SCHEMA IF NOT EXISTS tenant_{0}; CREATE "
                              "TABLE tenant_{0}.extra (id bigint)",
                              tenant));
  with_past(two_tenants());
  auto node = start_node();
  for (const auto* db : {&control, &west})
    await(*db, "SELECT count(*) FROM millrace.backfill", "1");
  stop(node);
  with_past(at_home());
  auto refused = try_change();
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err,
             ContainsSubstring("pipeline past backfills notes and is not done")
               && ContainsSubstring("nothing was changed"));
  CHECK(west.value(fenced) == "f");
  CHECK(west.value(lanes).contains("south0 south1"));
  // It ends in each database by itself, and every end is told.
  west.execute("CREATE FUNCTION millrace.stop() RETURNS trigger LANGUAGE "
               "plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$; CREATE "
               "TRIGGER stop BEFORE UPDATE ON millrace.backfill FOR EACH ROW "
               "EXECUTE FUNCTION millrace.stop()");
  std::vector<std::string> give_up{"lanes", "backfills", "--give-up",
                                   "past",  "--reason",  "a test",
                                   "--yes", "--json"};
  auto half = run(give_up);
  CHECK(half.code == 1);
  json_document told{half.out};
  REQUIRE(told.size() == 2);
  CHECK(told.text("/0/database") == "postgresql");
  CHECK(told.integer("/0/waiting_dead") == 0);
  CHECK(told.text("/1/database") == "west");
  CHECK_THAT(told.text("/1/error"), ContainsSubstring("not now"));
  west.execute("DROP TRIGGER stop ON millrace.backfill");
  auto rest = run(give_up);
  CHECK(rest.code == 0);
  json_document last{rest.out};
  CHECK(last.size() == 1);
  CHECK(last.text("/0/database") == "west");
}

TEST_CASE_METHOD(databases_fixture, "a tenant's rows are written by its role") {
  auto role = unique_name("writer");
  control.execute("CREATE ROLE " + role + " NOLOGIN");
  auto tenants = two_tenants() + "role = \"" + role + "\"\n";
  write_config(tenants);
  REQUIRE(run({"migrate", "up"}).code == 0);
  west.execute("GRANT USAGE ON SCHEMA millrace, tenant_south TO " + role
               + "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN "
                 "SCHEMA millrace, tenant_south TO "
               + role);
  send("south", 0, 5);
  send("north", 0, 5);
  auto node = start_node();
  await(west, count("south"), once(5));
  await(control, count("north"), once(5));
  stop(node);
  CHECK(west.value("SELECT string_agg(DISTINCT who, ' ') FROM "
                   "tenant_south.notes")
        == role);
  CHECK(control.value("SELECT count(*) FROM tenant_north.notes WHERE who = '"
                      + role + "'")
        == "0");
  write_config(two_tenants() + "role = \"nobody_has_this\"\n");
  process refused{{"node", config}, environment()};
  auto end = refused.wait();
  CHECK(end.code == 2);
  CHECK_THAT(end.err, ContainsSubstring("expected a role that the server has"));
  west.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_CASE_METHOD(databases_fixture, "a tenant beyond its rate is written more "
                                    "slowly, and loses nothing") {
  write_config("[[tenant]]\nname = \"north\"\nmax_rows_per_second = 100\n"
               "[[tenant]]\nname = \"south\"\ndatabase = \"west\"\n",
               "limits.batch_rows = 10");
  send("north", 0, 400);
  send("south", 0, 400);
  auto node = start_node();
  await(west, count("south"), once(400));
  await(control, count("north"), once(400));
  stop(node);
  // 100 rows at once, and what overdraws them; 2.5 seconds for the rest.
  CHECK(control.value("SELECT max(at) - min(at) > interval '1.5 s' FROM "
                      "tenant_north.notes")
        == "t");
}

TEST_CASE("a database that is down halts nothing of the other one") {
  auto other = servers::start_private({server::pg});
  databases_fixture all{other.pg_url()};
  all.send("north", 0, 20);
  all.send("south", 0, 20);
  auto node = all.start_node();
  all.await(all.control, all.count("north"), all.once(20));
  all.await(all.west, all.count("south"), all.once(20));
  other.stop(server::pg, stop_mode::immediate);
  all.send("south", 20, 40);
  all.send("north", 20, 40);
  all.await(all.control, all.count("north"), all.once(40));
  // Nor does it keep a node from its start.
  all.stop(node);
  all.send("north", 40, 60);
  node = all.start_node();
  all.await(all.control, all.count("north"), all.once(60));
  auto listed = all.run({"lanes", "list"});
  CHECK(listed.code == 3);
  CHECK_THAT(listed.out, ContainsSubstring("notes/north/0"));
  CHECK_THAT(listed.err, ContainsSubstring("database 'west': "));
  other.start(server::pg);
  all.await(all.west, all.count("south"), all.once(40));
  CHECK(all.control.value(all.count("north")) == all.once(60));
  all.stop(node);
}
