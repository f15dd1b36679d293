#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/wait.h>

#include <random>
#include <thread>

#include <unistd.h>

using namespace millrace;
using fixture = test::migrator_fixture;

namespace {

constexpr auto kills = 100;

const migration_target here{"shop", std::nullopt};

migration file(const std::string& name, std::string_view up,
               bool stepwise = false) {
  return parse_migration(name,
                         std::string{"-- description: d\n"}
                           + (stepwise ? "-- millrace:no-transaction\n" : "")
                           + "-- millrace:up\n" + std::string{up})
    .value();
}

migration_set all_kinds() {
  return {"test",
          {file("001_a.sql", "CREATE TABLE a (x int); CREATE TABLE a2 ();"),
           file("002_b.sql",
                "CREATE TABLE b (x int) PARTITION BY RANGE (x);\n"
                "CREATE TABLE b1 PARTITION OF b FOR VALUES FROM (0) TO (9);\n"
                "CREATE TABLE b2 PARTITION OF b FOR VALUES FROM (9) TO (99);\n"
                "INSERT INTO a VALUES (1);\n"
                "CREATE INDEX CONCURRENTLY bi ON b (x);\n"
                "INSERT INTO a VALUES (2);\n"
                "CREATE INDEX CONCURRENTLY ai ON a (x);\n"
                "INSERT INTO a VALUES (3);",
                true),
           file("003_c.sql", "CREATE TABLE c (); INSERT INTO a VALUES (4);")},
          {file("R_v.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS x;")}};
}

/// What a process that is killed may leave of it at no point.
constexpr auto torn
  = "SELECT (to_regclass('shop.a') IS NULL) <> (to_regclass('shop.a2') IS "
    "NULL) OR (to_regclass('shop.schema_migrations') IS NULL AND "
    "to_regclass('shop.a') IS NOT NULL)";

} // namespace

TEST_CASE_METHOD(fixture,
                 "a migrator that is killed at any of a hundred points "
                 "leaves each file whole or half-way by its steps, "
                 "and the next one goes on") {
  auto set = all_kinds();
  auto started = std::chrono::steady_clock::now();
  up(set, here);
  auto whole = std::chrono::steady_clock::now() - started;
  std::minstd_rand random{20261121};
  auto killed = 0;
  auto ended = 0;
  while (killed < kills) {
    REQUIRE(ended < 10 * kills);
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      // Nothing of the parent's may end with this process.
      auto mine = open();
      auto done = migrator{mine}.up(set, here);
      ::_exit(done ? 0 : 1);
    }
    std::uniform_int_distribution<int64_t> pick{0, whole.count()};
    std::this_thread::sleep_for(std::chrono::nanoseconds{pick(random)});
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(db.value(torn) == "f");
    if (WIFSIGNALED(status)) {
      ++killed;
      continue;
    }
    CHECK(WEXITSTATUS(status) == 0);
    ++ended;
    CHECK(db.value("SELECT string_agg(x::text, ' ' ORDER BY x) FROM shop.a")
          == "1 2 3 4");
    CHECK(db.value("SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = "
                   "indexrelid WHERE relnamespace = 'shop'::regnamespace AND "
                   "NOT indisvalid")
          == "0");
    db.execute("DROP SCHEMA shop CASCADE");
  }
  up(set, here);
  CHECK(db.value("SELECT string_agg(x::text, ' ' ORDER BY x) FROM shop.a")
        == "1 2 3 4");
  CHECK(db.value("SELECT count(*) FROM shop.schema_migration_steps") == "0");
  CHECK(db.value(
          "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY "
          "relname) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE "
          "relnamespace = 'shop'::regnamespace AND indisvalid AND "
          "relname NOT LIKE '%schema%'")
        == "shop.ai shop.b1_bi shop.b2_bi shop.bi");
}
