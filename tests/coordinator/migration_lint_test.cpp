#include "actors/coordinator/migration_lint.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace millrace;

namespace {

migration file(const std::string& up, bool stepwise = false) {
  return parse_migration("002_f.sql",
                         std::string{"-- description: d\n"}
                           + (stepwise ? "-- millrace:no-transaction\n" : "")
                           + "-- millrace:up\n" + up)
    .value();
}

/// Names of the rules, in order.
std::string found(const std::string& up, bool stepwise = false) {
  std::string result;
  for (const auto& x : migration_linter{}.check("test", file(up, stepwise)))
    result += (result.empty() ? "" : " ") + x.rule;
  return result;
}

statement_effect effect(std::string_view sql) {
  return effects_of(split_sql(sql).value().at(0)).at(0);
}

} // namespace

TEST_CASE("what would stop a table that is in use is found") {
  CHECK(found("CREATE INDEX i ON t (a);") == "index-stops-writers");
  CHECK(found("CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a);")
        == "index-stops-writers");
  CHECK(found("DROP INDEX i;") == "drop-index-stops-table");
  CHECK(found("ALTER TABLE t ALTER COLUMN a SET NOT NULL;")
        == "not-null-scans");
  CHECK(
    found("ALTER TABLE ONLY s.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES "
          "u (a);")
    == "foreign-key-scans");
  CHECK(found("ALTER TABLE t ADD CHECK (a > 0), DROP COLUMN IF EXISTS b;")
        == "check-scans drop-column-breaks-writers");
  CHECK(found("ALTER TABLE t ADD PRIMARY KEY (a);") == "unique-builds-index");
  CHECK(found("ALTER TABLE t ALTER a TYPE bigint;") == "type-change-rewrites");
  CHECK(found("ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid();")
        == "new-column-rewrites");
  CHECK(found("ALTER TABLE t RENAME COLUMN a TO b;")
        == "rename-breaks-writers");
  CHECK(found("ALTER TABLE t DETACH PARTITION p;") == "detach-stops-table");
  CHECK(found("DROP TABLE t;") == "drop-table-breaks-writers");
  CHECK(found("TRUNCATE t;") == "truncate-stops-table");
  CHECK(found("LOCK TABLE t;") == "lock-stops-table");
  CHECK(found("UPDATE t SET a = 1;") == "update-all-rows");
  CHECK(found("REFRESH MATERIALIZED VIEW v;") == "refresh-stops-view");
  CHECK(found("VACUUM FULL t;", true) == "rewrite-stops-table");
}

TEST_CASE("the ways out that the rules name are not found themselves") {
  CHECK(found("CREATE INDEX CONCURRENTLY i ON t (a); DROP INDEX CONCURRENTLY "
              "i; ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",
              true)
        == "");
  CHECK(found("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a) "
              "NOT VALID; ALTER TABLE t ADD CHECK (a > 0) NOT VALID;")
        == "");
  CHECK(found("ALTER TABLE t VALIDATE CONSTRAINT c;") == "");
  CHECK(found("ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i;") == "");
  CHECK(found("ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 0;") == "");
  CHECK(found("UPDATE t SET a = 1 WHERE b; DELETE FROM t WHERE c;") == "");
  CHECK(found("REFRESH MATERIALIZED VIEW CONCURRENTLY v;") == "");
}

TEST_CASE("CONCURRENTLY in a transaction is found") {
  CHECK(found("CREATE INDEX CONCURRENTLY i ON t (a);")
        == "concurrently-in-transaction");
  CHECK(found("ALTER TABLE t DETACH PARTITION p CONCURRENTLY;")
        == "concurrently-in-transaction");
}

TEST_CASE("a table that these files make is nobody's yet") {
  migration_linter linter;
  CHECK(linter
          .check("test", file("CREATE TABLE IF NOT EXISTS t (a int); "
                              "CREATE INDEX i ON t (a);"))
          .empty());
  CHECK(
    linter.check("test", file("ALTER TABLE t ALTER a SET NOT NULL;")).empty());
  CHECK(linter.check("test", file("ALTER TABLE u ALTER a SET NOT NULL;")).size()
        == 1);
}

TEST_CASE("a rule is silenced for one statement, with a reason") {
  CHECK(found("-- millrace:allow index-stops-writers because it is small\n"
              "CREATE INDEX i ON t (a);")
        == "");
  CHECK(found("-- millrace:allow index-stops-writers because it is small\n"
              "CREATE INDEX i ON t (a); CREATE INDEX j ON t (b);")
        == "index-stops-writers");
  CHECK(found("-- millrace:allow index-stops-writers\nCREATE INDEX i ON t (a);")
        == "allow-without-reason");
  CHECK(found("-- millrace:allow update-all-rows because x\nSELECT 1;")
        == "allow-without-effect");
}

TEST_CASE("rules are sorted, and each has a reason and a way out") {
  CHECK(std::ranges::is_sorted(lint_rules(), {}, &lint_rule::name));
  for (const auto& x : lint_rules()) {
    CHECK_FALSE(x.reason.empty());
    CHECK_FALSE(x.way_out.empty());
  }
  auto all = migration_linter{}.check("test", file("\n\nDROP TABLE t;"));
  REQUIRE(all.size() == 1);
  CHECK(all[0].file == "test/002_f.sql");
  CHECK(all[0].line == 3);
}

TEST_CASE("kinds of statements have the locks of PostgreSQL's manual") {
  using enum lock_level;
  CHECK(effect("CREATE INDEX i ON s.\"T\" (a)").lock == share);
  CHECK(effect("CREATE INDEX i ON s.\"T\" (a)").table == "T");
  CHECK(effect("CREATE OR REPLACE TRIGGER x BEFORE INSERT ON t FOR EACH ROW "
               "EXECUTE FUNCTION f()")
          .lock
        == share_row_exclusive);
  CHECK(effect("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u").lock
        == share_row_exclusive);
  CHECK(effect("ALTER TABLE t ALTER COLUMN a SET STATISTICS 5").lock
        == share_update_exclusive);
  CHECK(effect("ALTER TABLE t SET (fillfactor = 60)").lock
        == share_update_exclusive);
  CHECK(effect("CREATE TABLE p PARTITION OF t DEFAULT").lock
        == access_exclusive);
  CHECK(effect("CREATE TABLE p PARTITION OF t DEFAULT").table == "t");
  CHECK(effect("SELECT 1").lock == access_share);
  CHECK(effect("DO $$ $$").kind.empty());
  CHECK(lock_level_of("ShareRowExclusiveLock") == share_row_exclusive);
  CHECK(to_string(access_exclusive) == "ACCESS EXCLUSIVE");
}
