#include "messages/sha256.hpp"
#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <thread>

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const migration_target here{"shop", std::nullopt};

migration stepwise(std::string_view up, std::string_view down = "") {
  return parse_migration("001_steps.sql",
                         "-- description: d\n-- millrace:no-transaction\n"
                         "-- millrace:up\n"
                           + std::string{up} + "\n-- millrace:down\n"
                           + std::string{down})
    .value();
}

migration_set set_of(const migration& x) {
  return {"test", {x}};
}

struct fixture : migrator_fixture {
  fixture() {
    db.execute("CREATE SCHEMA shop; SET search_path = shop; CREATE TABLE t (a "
               "int, b int); INSERT INTO t SELECT i, i % 7 FROM "
               "generate_series(1, 1000) i; CREATE TABLE p (at int NOT NULL, b "
               "int) PARTITION BY RANGE (at); CREATE TABLE p1 PARTITION OF p "
               "FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p "
               "FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (b); CREATE "
               "TABLE p2a PARTITION OF p2 FOR VALUES FROM (0) TO (10)");
  }

  std::string failure(const migration& x) {
    auto result = migrator{conn}.up(set_of(x), here);
    return result ? std::string{} : result.error();
  }

  /// Valid and invalid indexes, by name.
  std::string indexes() {
    return db.value("SELECT string_agg(indexrelid::regclass::text || CASE WHEN "
                    "indisvalid THEN '' ELSE '!' END, ' ' ORDER BY "
                    "indexrelid::regclass::text) FROM pg_index WHERE "
                    "indexrelid::regclass::text LIKE 'shop.%' AND "
                    "indexrelid::regclass::text NOT LIKE 'shop.%schema%'");
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "a file without a transaction makes an index "
                          "concurrently, and takes it back") {
  auto file = stepwise("CREATE INDEX CONCURRENTLY i ON t (a);",
                       "DROP INDEX CONCURRENTLY i;");
  CHECK(up(set_of(file), here).applied == std::vector<int32_t>{1});
  CHECK(indexes() == "shop.i");
  CHECK(db.value("SELECT count(*) FROM shop.schema_migration_steps") == "0");
  CHECK(run(set_of(file), here, migrate_down{}).undone
        == std::vector<int32_t>{1});
  CHECK(indexes() == "");
}

TEST_CASE_METHOD(fixture, "an index of a partitioned table is made on every "
                          "partition and attached") {
  auto file = stepwise("CREATE INDEX CONCURRENTLY i ON p (b);",
                       "DROP INDEX CONCURRENTLY i;");
  up(set_of(file), here);
  CHECK(indexes() == "shop.i shop.p1_i shop.p2_i shop.p2a_p2_i");
  db.execute("CREATE TABLE shop.p3 PARTITION OF shop.p FOR VALUES FROM (20) TO "
             "(30)");
  CHECK_THAT(indexes(), ContainsSubstring("shop.p3_b_idx"));
  run(set_of(file), here, migrate_down{});
  CHECK(indexes() == "");
}

TEST_CASE_METHOD(fixture, "an interrupted build on partitions goes on where it "
                          "was ended") {
  auto file = stepwise("CREATE INDEX CONCURRENTLY i ON p (b);");
  REQUIRE(failure(stepwise("SELECT 1; SELECT 1/0;")).size() > 0);
  db.execute("DELETE FROM shop.schema_migration_steps");
  db.execute(
    "SET search_path = shop; CREATE INDEX i ON ONLY p (b); CREATE "
    "INDEX p1_i ON p1 (b); ALTER INDEX i ATTACH PARTITION p1_i; CREATE "
    "INDEX p2_i ON ONLY p2 (b); INSERT INTO schema_migration_steps "
    "(pack, version, name, step, direction, checksum) VALUES ('test', "
    "1, 'steps', 1, 'up', '"
    + sha256_hex("CREATE INDEX CONCURRENTLY i ON p (b)") + "')");
  up(set_of(file), here);
  CHECK(indexes() == "shop.i shop.p1_i shop.p2_i shop.p2a_p2_i");
}

TEST_CASE_METHOD(fixture, "an index that an ended run has left invalid is "
                          "dropped and made again") {
  CHECK_THAT(failure(stepwise("CREATE UNIQUE INDEX CONCURRENTLY i ON t (b);")),
             ContainsSubstring("test/001_steps.sql: step 1 of 1: ")
               && ContainsSubstring("23505"));
  // Nothing is left even so.
  CHECK(indexes() == "");
  REQUIRE_FALSE(conn.run("CREATE UNIQUE INDEX CONCURRENTLY i ON shop.t (b)"));
  REQUIRE(indexes() == "shop.i!");
  up(set_of(stepwise("CREATE INDEX CONCURRENTLY i ON t (b);")), here);
  CHECK(indexes() == "shop.i");
}

TEST_CASE_METHOD(fixture, "an index that is there and not of this step is no "
                          "step done") {
  db.execute("CREATE INDEX i ON shop.t (a); CREATE INDEX j ON shop.p (at)");
  auto before = indexes();
  // Nor the next time.
  for (auto attempt = 0; attempt < 2; ++attempt) {
    CHECK_THAT(failure(stepwise("CREATE INDEX CONCURRENTLY i ON t (b);")),
               ContainsSubstring("there is an index i already")
                 && ContainsSubstring("42P07"));
    CHECK_THAT(failure(stepwise("CREATE INDEX CONCURRENTLY j ON p (b);")),
               ContainsSubstring("there is an index j already"));
  }
  CHECK(indexes() == before);
  up(set_of(stepwise("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (b);")),
     here);
}

TEST_CASE_METHOD(fixture, "what is not there is neither dropped nor detached, "
                          "however often that is asked for") {
  db.execute("CREATE TABLE shop.alone (at int)");
  for (auto attempt = 0; attempt < 2; ++attempt) {
    CHECK_THAT(failure(stepwise("DROP INDEX CONCURRENTLY mistyped;")),
               ContainsSubstring("there is no index mistyped")
                 && ContainsSubstring("42704"));
    for (const auto* part : {"mistyped", "alone"})
      CHECK_THAT(failure(stepwise("ALTER TABLE p DETACH PARTITION "
                                  + std::string{part} + " CONCURRENTLY;")),
                 ContainsSubstring("p has no partition " + std::string{part}));
    CHECK_THAT(failure(stepwise("CREATE INDEX CONCURRENTLY i ON mistyped "
                                "(a);")),
               ContainsSubstring("there is no table mistyped")
                 && ContainsSubstring("42P01"));
  }
  up(set_of(stepwise("DROP INDEX CONCURRENTLY IF EXISTS mistyped; ALTER TABLE "
                     "IF EXISTS mistyped DETACH PARTITION p1 CONCURRENTLY;")),
     here);
}

TEST_CASE_METHOD(fixture, "names may say their schema") {
  db.execute("CREATE TABLE public.t (a int); CREATE TABLE public.q (at int) "
             "PARTITION BY RANGE (at); CREATE TABLE public.q1 PARTITION OF "
             "public.q FOR VALUES FROM (0) TO (9)");
  auto file = stepwise("CREATE INDEX CONCURRENTLY i ON public.t (a); CREATE "
                       "INDEX CONCURRENTLY j ON public.q (at);",
                       "DROP INDEX CONCURRENTLY public.i; DROP INDEX "
                       "CONCURRENTLY \"public\".j; ALTER TABLE public.q DETACH "
                       "PARTITION public.q1 CONCURRENTLY;");
  up(set_of(file), here);
  auto there = [this] {
    return db.value("SELECT count(*) FROM pg_indexes WHERE schemaname = "
                    "'public' AND indexname IN ('i', 'j', 'q1_j')");
  };
  CHECK(there() == "3");
  run(set_of(file), here, migrate_down{});
  CHECK(there() == "0");
  CHECK(db.value("SELECT count(*) FROM pg_inherits WHERE inhrelid = "
                 "'public.q1'::regclass")
        == "0");
}

TEST_CASE_METHOD(fixture, "steps that are done are not done again, and those "
                          "behind them may be mended") {
  auto error = failure(stepwise("INSERT INTO t VALUES (-1); SELECT 1/0;"));
  CHECK_THAT(error, ContainsSubstring("step 2 of 2"));
  CHECK(migrator{conn}
          .status(set_of(stepwise("SELECT 1;")), here)
          .value()
          .at(0)
          .state
        == migration_state::interrupted);
  CHECK_THAT(failure(stepwise("INSERT INTO t VALUES (-2); SELECT 1;")),
             ContainsSubstring("step 1 is done, but the file was changed"));
  up(set_of(stepwise("INSERT INTO t VALUES (-1); SELECT 1;")), here);
  CHECK(db.value("SELECT count(*) FROM shop.t WHERE a < 0") == "1");
}

TEST_CASE_METHOD(fixture, "a file that cannot be run step by step is refused "
                          "before its first step") {
  CHECK_THAT(failure(stepwise("INSERT INTO t VALUES (-1); COMMIT;")),
             ContainsSubstring("holds no COMMIT"));
  CHECK_THAT(failure(stepwise("INSERT INTO t VALUES (-1);\nCREATE INDEX "
                              "CONCURRENTLY ON t (a);")),
             ContainsSubstring("line 2") && ContainsSubstring("needs a name"));
  CHECK(db.value("SELECT count(*) FROM shop.t WHERE a < 0") == "0");
}

TEST_CASE_METHOD(fixture, "a partition that is being detached is detached to "
                          "the end") {
  auto file = stepwise("ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;");
  // Its second half waits for whoever still reads the table.
  auto reader = open();
  REQUIRE(reader.run("BEGIN; SELECT count(*) FROM shop.p"));
  auto other = open();
  REQUIRE(other.run("SET lock_timeout = 200"));
  CHECK_FALSE(other.run("ALTER TABLE shop.p DETACH PARTITION shop.p1 "
                        "CONCURRENTLY"));
  REQUIRE(db.value("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = "
                   "'shop.p1'::regclass")
          == "t");
  reader.close();
  up(set_of(file), here);
  CHECK(db.value("SELECT count(*) FROM pg_inherits WHERE inhrelid = "
                 "'shop.p1'::regclass")
        == "0");
}

TEST_CASE_METHOD(fixture,
                 "a detach that a deadlock has ended is gone on with") {
  auto file = stepwise("ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;");
  // Has read the table, and then wants what the migrator has, which waits for
  // all who have read it.
  auto reader = open();
  auto pid = reader.backend_pid();
  REQUIRE(reader.run("SET deadlock_timeout = '1h'; BEGIN; SELECT count(*) FROM "
                     "shop.p"));
  REQUIRE(conn.run("SET deadlock_timeout = '20ms'"));
  auto waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                 "AND NOT granted AND pid = "
                 + std::to_string(pid);
  std::jthread waiter;
  std::string told;
  migrator_options options;
  options.tell = [&](const std::string& text) {
    if (text.starts_with("step 1 ")) {
      waiter = std::jthread{[&reader] {
        static_cast<void>(
          reader.query("SELECT pg_advisory_lock(hashtext("
                       "'millrace.migrations'), hashtext('shop'))"));
      }};
      while (db.value(waiting) == "0")
        std::this_thread::yield();
    } else if (text.starts_with("attempt 1 ")) {
      told = text;
      db.execute("SELECT pg_terminate_backend(" + std::to_string(pid) + ')');
    }
  };
  auto done = migrator{conn, options}.up(set_of(file), here);
  INFO(done.error_or(std::string{}));
  CHECK(done);
  CHECK_THAT(told, ContainsSubstring("40P01"));
  CHECK(db.value("SELECT count(*) FROM pg_inherits WHERE inhrelid = "
                 "'shop.p1'::regclass")
        == "0");
}
