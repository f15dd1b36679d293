// Tenants of one pipeline in several databases, against real servers.

#include "tests/nodes/databases_fixture.hpp"

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
                                    "begins where both have read to") {
  write_config("[[tenant]]\nname = \"north\"\n");
  send("north", 0, 10);
  send("south", 0, 7);
  auto node = start_node();
  await(control, letters, "7");
  await(control, count("north"), once(10));
  stop(node);
  // Now it is known. What was set aside stays so until it is replayed.
  write_config(two_tenants());
  send("south", 7, 20);
  node = start_node();
  await(west, count("south"), once(13));
  stop(node);
  CHECK(control.value(letters) == "7");
  auto replayed = run({"dlq", "replay", "--tenant", "_unrouted"});
  INFO(replayed.out << replayed.err);
  CHECK(replayed.code == 0);
  CHECK(replayed.out == "replayed 7, failed 0, refused 0, gone 0\n");
  CHECK(west.value(count("south")) == once(20));
  CHECK(west.value("SELECT count(*) FROM millrace.replayed") == "7");
  CHECK(control.value(letters) == "0");
  // It cannot be moved, and no database has two names.
  write_config("[[tenant]]\nname = \"north\"\n[[tenant]]\nname = "
               "\"south\"\n");
  control.execute(tables("south", "text"));
  process moved{{"node", config}, environment()};
  auto end = moved.wait();
  CHECK(end.code == 2);
  CHECK_THAT(end.err, ContainsSubstring("a tenant cannot be moved"));
  write_config(two_tenants());
  process twice{{"node", config},
                {{"CONTROL_URL", control.url()}, {"WEST_URL", control.url()}}};
  end = twice.wait();
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
