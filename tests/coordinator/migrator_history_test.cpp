#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <format>
#include <thread>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;
using fixture = test::migrator_fixture;

namespace {

const migration_target here{"shop", std::nullopt};

migration file(const std::string& name, std::string_view up,
               std::string_view down = "") {
  auto text = "-- description: d\n-- author: me\n-- millrace:up\n"
              + std::string{up} + '\n';
  if (!down.empty())
    text += "-- millrace:down\n" + std::string{down} + '\n';
  return parse_migration(name, text).value();
}

migration_set two_tables() {
  return {"test",
          {file("001_a.sql", "CREATE TABLE a ();", "DROP TABLE a;"),
           file("002_b.sql", "CREATE TABLE b ();", "DROP TABLE b;")}};
}

/// As it was before there were authors, baselines and repeatable files.
constexpr auto old_history
  = "CREATE SCHEMA shop; CREATE TABLE shop.schema_migrations (pack text NOT "
    "NULL, version int NOT NULL, name text NOT NULL, description text NOT "
    "NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT "
    "now(), execution_time_ms bigint NOT NULL, applied_by text NOT NULL "
    "DEFAULT session_user, PRIMARY KEY (pack, version)); ";

} // namespace

TEST_CASE_METHOD(fixture,
                 "a history of an older Millrace is read as it is, and "
                 "carried over by the next change") {
  auto set = two_tables();
  db.execute(old_history
             + std::string{"CREATE TABLE shop.a (); INSERT INTO "
                           "shop.schema_migrations VALUES ('test', "
                           "1, 'a', 'd', '"}
             + set.files[0].checksum + "', '2026-01-18', 7, 'who')");
  auto before = migrator{conn}.status(set, here).value();
  CHECK(before.at(0).state == migration_state::applied);
  CHECK(before.at(0).applied_by == "who");
  CHECK(before.at(1).state == migration_state::pending);
  CHECK(up(set, here).applied == std::vector<int32_t>{2});
  CHECK(db.rows("SELECT version, author, baseline, applied_by = 'who' FROM "
                "shop.schema_migrations ORDER BY version")
        == std::vector<std::vector<std::string>>{{"1", "", "f", "t"},
                                                 {"2", "me", "f", "f"}});
  CHECK(up(set, here).applied.empty());
}

TEST_CASE_METHOD(fixture, "a history of another tool is refused with what to "
                          "do") {
  db.execute("CREATE SCHEMA shop; CREATE TABLE shop.schema_migrations (version "
             "int PRIMARY KEY)");
  auto result = migrator{conn}.up(two_tables(), here);
  REQUIRE_FALSE(result);
  CHECK_THAT(result.error(), ContainsSubstring("another tool's")
                               && ContainsSubstring("baseline"));
}

TEST_CASE_METHOD(fixture,
                 "down and to take tables back, redo makes them anew") {
  auto set = two_tables();
  auto tables = [&] {
    return db.value("SELECT string_agg(relname, ' ' ORDER BY relname) FROM "
                    "pg_class WHERE relnamespace = 'shop'::regnamespace AND "
                    "relname IN ('a', 'b')");
  };
  up(set, here);
  auto old = db.value("SELECT 'shop.b'::regclass::oid");
  auto again = run(set, here, migrate_redo{});
  CHECK(again.undone == std::vector<int32_t>{2});
  CHECK(again.applied == std::vector<int32_t>{2});
  CHECK(db.value("SELECT 'shop.b'::regclass::oid") != old);
  CHECK(run(set, here, migrate_down{}).undone == std::vector<int32_t>{2});
  CHECK(tables() == "a");
  CHECK(run(set, here, migrate_to{0}).undone == std::vector<int32_t>{1});
  CHECK(tables() == "");
  CHECK(run(set, here, migrate_down{}).undone.empty());
  CHECK(run(set, here, migrate_to{1}).applied == std::vector<int32_t>{1});
  CHECK(tables() == "a");
}

TEST_CASE_METHOD(fixture, "baseline writes down what is there and runs "
                          "nothing") {
  auto set = two_tables();
  auto done = migrator{conn}.baseline(set, here, 1);
  REQUIRE(done);
  CHECK(done->applied == std::vector<int32_t>{1});
  CHECK(db.value("SELECT to_regclass('shop.a') IS NULL") == "t");
  auto status = migrator{conn}.status(set, here).value();
  CHECK(status.at(0).state == migration_state::applied);
  CHECK(status.at(0).baseline);
  CHECK(up(set, here).applied == std::vector<int32_t>{2});
  CHECK_FALSE(migrator{conn}.baseline(set, here, 3));
}

TEST_CASE_METHOD(fixture,
                 "init makes the history and nothing else, as often as "
                 "told") {
  for (auto i = 0; i < 2; ++i) {
    auto done = migrator{conn}.init(here);
    INFO(done.error_or(std::string{}));
    CHECK(done);
  }
  CHECK(db.value("SELECT count(*) FROM shop.schema_migrations") == "0");
}

TEST_CASE_METHOD(fixture, "where nothing is lacking up waits for no other "
                          "migrator; for what is, it waits until it is told "
                          "to stop") {
  const migration_target demo{"tenant_demo", "demo"};
  up(load_embedded_migrations("control").value(), {"millrace", std::nullopt});
  up(two_tables(), demo);
  auto other = open();
  REQUIRE(other.query("SELECT pg_advisory_lock(hashtext("
                      "'millrace.migrations'), hashtext('tenant_demo'))"));
  migrator_options options;
  auto asked = 0;
  options.stop = [&asked] { return ++asked > 1; };
  migrator worker{conn, options};
  auto applied = worker.up(two_tables(), demo);
  INFO(applied.error_or(std::string{}));
  CHECK(applied);
  CHECK(asked == 0);
  auto more = two_tables();
  more.files.push_back(file("003_c.sql", "CREATE TABLE c ();"));
  auto refused = worker.up(more, demo);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error(), ContainsSubstring("another migrator"));
  CHECK(asked == 2);
  // The registration is of the schema, too.
  db.execute("DELETE FROM millrace.tenant");
  CHECK_FALSE(worker.up(two_tables(), demo));
  other.close();
  up(two_tables(), demo);
  CHECK(db.value("SELECT schema FROM millrace.tenant") == "tenant_demo");
}

TEST_CASE_METHOD(fixture, "a repeatable file is applied again when it has "
                          "changed") {
  auto set = two_tables();
  auto view = [&](int value) {
    set.repeatables
      = {file("R_v.sql", std::format("CREATE OR REPLACE VIEW v AS "
                                     "SELECT {} AS x;",
                                     value))};
    return up(set, here).repeated;
  };
  CHECK(view(1) == std::vector<std::string>{"v"});
  CHECK(view(1).empty());
  CHECK(view(2) == std::vector<std::string>{"v"});
  CHECK(db.value("SELECT x FROM shop.v") == "2");
  CHECK(db.value("SELECT count(*) FROM shop.schema_repeatables") == "1");
}

TEST_CASE_METHOD(fixture, "ten migrators at once apply every file once, "
                          "concurrent indexes too") {
  auto set = two_tables();
  set.files.push_back(
    parse_migration("003_c.sql", "-- description: d\n"
                                 "-- millrace:no-transaction\n-- millrace:up\n"
                                 "CREATE TABLE c (a int);\n"
                                 "INSERT INTO c VALUES (1);\n"
                                 "CREATE INDEX CONCURRENTLY ci ON c (a);\n"
                                 "INSERT INTO c VALUES (2);")
      .value());
  std::vector<std::size_t> applied(10);
  std::vector<std::string> errors(10);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < applied.size(); ++i)
      threads.emplace_back([&, i] {
        auto mine = open();
        auto result = migrator{mine}.up(set, here);
        if (result)
          applied[i] = result->applied.size();
        else
          errors[i] = result.error();
      });
  }
  std::size_t all = 0;
  for (std::size_t i = 0; i < applied.size(); ++i) {
    CHECK(errors[i] == "");
    all += applied[i];
  }
  CHECK(all == 3);
  CHECK(db.value("SELECT count(*) FROM shop.c") == "2");
  CHECK(db.value("SELECT indisvalid FROM pg_index WHERE indexrelid = "
                 "'shop.ci'::regclass")
        == "t");
}

TEST_CASE_METHOD(fixture,
                 "while it builds an index a migrator tells how far it "
                 "is") {
  db.execute("CREATE SCHEMA shop; CREATE TABLE shop.t (a int); INSERT INTO "
             "shop.t SELECT generate_series(1, 1000)");
  // The build waits for this one, and says so.
  auto reader = open();
  REQUIRE(reader.run("BEGIN; SELECT count(*) FROM shop.t; LOCK TABLE shop.t IN "
                     "ROW EXCLUSIVE MODE"));
  migrator_options options;
  options.open_watch = [this] { return store_result<connection>{open()}; };
  std::vector<work_progress> heard;
  options.progress = [&](const work_progress& x) {
    heard.push_back(x);
    reader.close();
  };
  migration_set set{
    "test",
    {parse_migration("001_i.sql", "-- description: d\n"
                                  "-- millrace:no-transaction\n-- millrace:up\n"
                                  "CREATE INDEX CONCURRENTLY i ON t (a);")
       .value()}};
  auto pid = reader.backend_pid();
  auto done = migrator{conn, options}.up(set, here);
  INFO(done.error_or(std::string{}));
  CHECK(done);
  REQUIRE_FALSE(heard.empty());
  CHECK(heard[0].waits_for == pid);
  CHECK_THAT(heard[0].phase, ContainsSubstring("CREATE INDEX CONCURRENTLY: "
                                               "waiting for writers"));
}
