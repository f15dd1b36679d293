#include "actors/coordinator/migration_rehearsal.hpp"
#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using Catch::Matchers::ContainsSubstring;

namespace {

const migration_target here{"shop", std::nullopt};

migration file(const std::string& name, std::string_view up) {
  return parse_migration(name, "-- description: d\n-- millrace:up\n"
                                 + std::string{up} + '\n')
    .value();
}

struct fixture : test::migrator_fixture {
  rehearsal rehearse(const migration_set& set) {
    auto open = [this](const std::string& database) {
      session_config config;
      config.keywords = {{"dbname", db.url()}, {"dbname", database}};
      return connection::open(config);
    };
    auto plan = migrator{conn}.plan(set, here, migrate_up{}).value();
    return millrace::rehearse(conn, open, set, here, plan);
  }

  std::string databases() {
    return db.value("SELECT count(*) FROM pg_database WHERE datname LIKE "
                    "'millrace_rehearsal_%'");
  }
};

/// "t: ACCESS EXCLUSIVE, writes all rows anew"
std::string text_of(const rehearsed_statement& x) {
  std::string result;
  for (const auto& effect : x.effects) {
    result += (result.empty() ? "" : "; ") + effect.table + ": "
              + to_string(effect.lock);
    if (effect.work != table_work::idle)
      result += ", " + to_string(effect.work);
  }
  return result;
}

} // namespace

TEST_CASE_METHOD(fixture, "a rehearsal measures locks and rewrites of tables "
                          "that are there, and changes nothing") {
  migration_set set{"test",
                    {file("001_t.sql", "CREATE TABLE t (a int, b varchar(5)); "
                                       "CREATE TABLE u (a int UNIQUE);")}};
  up(set, here);
  set.files.push_back(
    file("002_more.sql", "CREATE TABLE v (a int);\n"
                         "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (a);\n"
                         "ALTER TABLE t ALTER b TYPE varchar(9);\n"
                         "ALTER TABLE t ALTER a TYPE bigint;\n"
                         "UPDATE u SET a = 1;"));
  auto x = rehearse(set);
  CHECK(x.why_not == "");
  REQUIRE(x.files.size() == 1);
  const auto& all = x.files[0].statements;
  REQUIRE(all.size() == 5);
  for (const auto& statement : all)
    CHECK(statement.measured);
  CHECK(text_of(all[0]) == "");
  CHECK(text_of(all[1])
        == "t: SHARE ROW EXCLUSIVE, reads all rows; u: SHARE ROW EXCLUSIVE");
  // A longer varchar is the same bytes.
  CHECK(text_of(all[2]) == "t: ACCESS EXCLUSIVE");
  CHECK_THAT(text_of(all[3]),
             ContainsSubstring("t: no lock, writes all rows anew"));
  CHECK(databases() == "0");
  CHECK(db.value("SELECT to_regclass('shop.v') IS NULL") == "t");
}

TEST_CASE_METHOD(fixture, "a rehearsal works on an empty database") {
  migration_set set{"test",
                    {file("001_t.sql", "CREATE TABLE t (a int);"),
                     file("002_i.sql", "CREATE INDEX i ON t (a);")}};
  auto x = rehearse(set);
  CHECK(x.why_not == "");
  REQUIRE(x.files.size() == 2);
  CHECK(text_of(x.files[1].statements.at(0)) == "t: SHARE, reads all rows");
  CHECK(db.value("SELECT to_regnamespace('shop') IS NULL") == "t");
}

TEST_CASE_METHOD(fixture, "sets that build upon the rehearsed one are run "
                          "behind it, as they came") {
  up(load_embedded_migrations("control").value(), {"millrace", std::nullopt});
  auto whole = load_embedded_migrations("perps-stats").value();
  auto part = whole;
  part.files.pop_back();
  part.repeatables.clear();
  up(part, here);
  up(load_embedded_migrations("perps-stats-exchanges").value(), here);
  auto x = rehearse(whole);
  CHECK(x.why_not == "");
  REQUIRE_FALSE(x.files.empty());
  CHECK(x.files[0].statements.at(0).measured);
}

TEST_CASE_METHOD(fixture, "what cannot be measured is told by its kind, and "
                          "why") {
  db.execute("CREATE SCHEMA shop; CREATE TABLE shop.by_hand (a int)");
  migration_set set{"test",
                    {file("001_t.sql", "ALTER TABLE by_hand ALTER a TYPE "
                                       "bigint;")}};
  auto x = rehearse(set);
  CHECK_THAT(x.why_not, ContainsSubstring("test/001_t.sql: not measured")
                          && ContainsSubstring("42P01"));
  REQUIRE(x.files.size() == 1);
  CHECK_FALSE(x.files[0].statements.at(0).measured);
  CHECK(text_of(x.files[0].statements[0])
        == "by_hand: ACCESS EXCLUSIVE, writes all rows anew");
  CHECK(databases() == "0");
}

TEST_CASE_METHOD(fixture, "nothing is run for a try where a file changes what "
                          "the whole server shares") {
  auto role = test::unique_name("rehearsed");
  auto limit = [&] {
    return db.value("SELECT rolconnlimit FROM pg_roles WHERE rolname = '" + role
                    + "'");
  };
  db.execute("CREATE ROLE " + role);
  migration_set set{"test",
                    {file("001_r.sql", "CREATE TABLE t (a int); ALTER ROLE "
                                         + role + " CONNECTION LIMIT 7;")}};
  up(set, here);
  REQUIRE(limit() == "7");
  db.execute("ALTER ROLE " + role + " CONNECTION LIMIT 3");
  set.files.push_back(file("002_i.sql", "CREATE INDEX i ON t (a);"));
  auto x = rehearse(set);
  CHECK(limit() == "3");
  CHECK(x.why_not
        == "not measured: test/001_r.sql changes what the whole server shares "
           "(ALTER ROLE)");
  REQUIRE(x.files.size() == 1);
  CHECK_FALSE(x.files[0].statements.at(0).measured);
  CHECK(text_of(x.files[0].statements[0]) == "t: SHARE, reads all rows");
  // One that is pending, too.
  set.files.push_back(file("003_r.sql", "GRANT pg_monitor TO " + role + ';'));
  CHECK_THAT(rehearse(set).why_not, ContainsSubstring("test/003_r.sql"));
  CHECK(databases() == "0");
  db.execute("DROP ROLE " + role);
}
