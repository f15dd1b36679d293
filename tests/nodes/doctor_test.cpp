// What `millrace db doctor` makes of what it finds.

#include "nodes/cli/db_doctor.hpp"
#include "nodes/cli/doctor_schema.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>

using namespace millrace;
using namespace millrace::cli;
using Catch::Matchers::ContainsSubstring;

namespace {

doctor_facts healthy() {
  doctor_facts x;
  x.settings = {{"fsync", "on"}, {"autovacuum", "on"}};
  x.sessions = {100, 3, {}, {}, 2, 45, "millrace", "shop"};
  x.role = "millrace";
  return x;
}

/// `level check text` of each.
std::string told(const doctor_facts& x) {
  std::string result;
  for (const auto& one : diagnose(x))
    result += to_string(one.level) + ' ' + std::string{one.check} + ' '
              + one.text + '\n';
  return result;
}

migration file(std::string up) {
  migration x;
  x.version = 1;
  x.up = std::move(up);
  return x;
}

} // namespace

TEST_CASE("of a healthy database nothing is told") {
  CHECK(told(healthy()).empty());
  CHECK(doctor_text("postgresql", {}) == "postgresql: sound\n");
}

TEST_CASE("each setting that is off is told with what it endangers, errors "
          "first") {
  auto x = healthy();
  x.settings = {{"synchronous_commit", "off"}, {"fsync", "off"}};
  auto all = diagnose(x);
  REQUIRE(all.size() == 2);
  CHECK(all[0].level == severity::error);
  CHECK_THAT(all[0].text, ContainsSubstring("fsync is off"));
  CHECK_THAT(all[0].mend, ContainsSubstring("ALTER SYSTEM SET fsync = on"));
  CHECK(all[1].level == severity::warning);
  CHECK_THAT(doctor_text("postgresql", all),
             ContainsSubstring("postgresql:\n  error: settings: fsync is off")
               && ContainsSubstring("\n    mend: ALTER SYSTEM"));
}

TEST_CASE("connections are enough for all nodes, or it is a warning; not even "
          "for one, or it is an error") {
  auto x = healthy();
  x.sessions.max_connections = 93;
  CHECK(told(x).empty());
  x.sessions.max_connections = 92;
  CHECK(told(x)
        == "warning sessions 2 node(s) may open 45 sessions each, and "
           "max_connections = 92 less 3 reserved leaves 89\n");
  x.sessions.max_connections = 47;
  CHECK_THAT(told(x), ContainsSubstring("error sessions"));
  x = healthy();
  x.sessions.role_limit = 50;
  CHECK_THAT(told(x), ContainsSubstring("warning sessions"));
  CHECK_THAT(diagnose(x).at(0).mend,
             ContainsSubstring("ALTER ROLE \"millrace\" CONNECTION LIMIT 90"));
  x = healthy();
  x.sessions.database_limit = 44;
  CHECK_THAT(told(x), ContainsSubstring("error sessions"));
  CHECK_THAT(diagnose(x).at(0).mend,
             ContainsSubstring("ALTER DATABASE \"shop\" CONNECTION LIMIT 90"));
}

TEST_CASE("what a node opens beside max_sessions is what it is told to do") {
  config all;
  CHECK(sessions_beside(all) == 5);
  all.coordinator.stand_by = false;
  CHECK(sessions_beside(all) == 2);
  all.dead_letters.prune_interval = {};
  CHECK(sessions_beside(all) == 1);
}

TEST_CASE("what holds old rows is told after five minutes, as an error after "
          "an hour") {
  auto x = healthy();
  x.holders = {{"transaction", "7", "shop, active", 4, 0},
               {"transaction", "8", "shop, idle in transaction", 5, 0},
               {"prepared transaction", "it's", "shop", 60, 0},
               {"replication slot", "calm", "active", 0, 10},
               {"replication slot", "left", "inactive", 0, 20'000'000},
               {"replication slot", "gone", "inactive", 0, 0, "lost"}};
  auto text = told(x);
  CHECK_THAT(text, !ContainsSubstring("transaction 7"));
  CHECK_THAT(text, !ContainsSubstring("calm"));
  CHECK_THAT(text, ContainsSubstring("warning transactions the transaction 8"));
  CHECK_THAT(text, ContainsSubstring("error transactions the prepared "
                                     "transaction it's (shop) has been open "
                                     "for 1h"));
  CHECK_THAT(text, ContainsSubstring("the replication slot left (inactive)"));
  CHECK_THAT(text, ContainsSubstring("the replication slot gone is lost"));
  CHECK(diagnose(x).at(0).mend == "COMMIT or ROLLBACK PREPARED 'it''s'");
}

TEST_CASE("rows of lanes may take the room that their updates need, and no "
          "more") {
  auto x = healthy();
  x.bloat = {{"millrace.lane", 8, 500, 4 << 20}};
  CHECK(told(x).empty());
  x.bloat[0].bytes = (4 << 20) + 1;
  CHECK(told(x)
        == "warning bloat millrace.lane has 4096 kB for 8 rows, and 500 dead "
           "ones\n");
  x.bloat[0].live = 1000;
  CHECK(told(x).empty());
}

TEST_CASE("partitions, grants and objects that are missing are told with what "
          "mends them") {
  auto x = healthy();
  x.auto_migrate = false;
  x.migrations = {{"ticks", "tenant_demo", 2, 1}};
  x.missing = {{"index", "tenant_demo", "i", "ticks"},
               {"extension", {}, "pg_trgm", "trading-engine"}};
  x.invalid = {{"index", "tenant_demo", "half", {}}};
  x.partitions = {{"tenant_demo.ticks", {}, 0, 14, false},
                  {"tenant_demo.quotes", {}, 3, 14, true},
                  {"tenant_demo.gone", "does not exist", 0, 0, false}};
  x.grants = {{"writer", "INSERT on tenant_demo.ticks", "GRANT …"}};
  x.frozen_age = 1'700'000'000;
  auto text = told(x);
  for (const auto* line :
       {"error migrations schema tenant_demo lacks 2 migration(s) of ticks\n",
        "error migrations 1 applied migration(s) of ticks in schema "
        "tenant_demo differ from this program's\n",
        "error indexes the index tenant_demo.i of the migrations of ticks is "
        "gone\n",
        "error extensions trading-engine needs the extension pg_trgm",
        "error indexes the index tenant_demo.half is not valid",
        "error partitions tenant_demo.ticks has partitions for 0 of 14 periods "
        "ahead\n",
        "warning partitions tenant_demo.quotes has partitions for 3 of 14",
        "warning partitions tenant_demo.quotes has rows in its default "
        "partition\n",
        "error partitions tenant_demo.gone: does not exist\n",
        "error grants the role writer lacks INSERT on tenant_demo.ticks\n",
        "error transactions the oldest transaction"}) {
    INFO(text);
    CHECK_THAT(text, ContainsSubstring(line));
  }
  x.auto_migrate = true;
  CHECK_THAT(told(x), ContainsSubstring("warning migrations schema"));
}

TEST_CASE("a database that a dry run has left is told with the statement that "
          "drops it") {
  auto x = healthy();
  x.rehearsals = {"millrace_rehearsal_1"};
  CHECK(told(x)
        == "warning databases the database millrace_rehearsal_1 is left of a "
           "dry run, or of 'verify --deep', that was ended\n");
  CHECK(diagnose(x).at(0).mend == "DROP DATABASE \"millrace_rehearsal_1\"");
}

TEST_CASE("migrations that are configured and cannot be applied are an error") {
  auto x = healthy();
  x.broken_sets = {{"notes", "/srv/notes", "it is gone"}, {"nope", "", "none"}};
  CHECK(told(x)
        == "error migrations the migrations of notes in /srv/notes cannot be "
           "applied: it is gone\n"
           "error migrations the migrations of nope cannot be applied: none\n");
  CHECK_THAT(diagnose(x).at(0).mend, ContainsSubstring("[[migrations]]"));
}

TEST_CASE("what migrations make is what their statements say, in their order") {
  made_objects all;
  add_made(all, file(R"(
CREATE TABLE a (id int); CREATE TABLE IF NOT EXISTS millrace.b (id int);
CREATE TABLE a_1 PARTITION OF a DEFAULT; CREATE TEMP TABLE t (id int);
CREATE INDEX i ON a (id); CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "J"
  ON ONLY b (id); CREATE INDEX ON a (id);
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA public;
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE TABLE no (id int)';
CREATE INDEX k ON a (id))"));
  CHECK(all.tables == std::set<std::string>{"a", "b"});
  CHECK(
    all.indexes
    == std::map<std::string, std::string>{{"i", "a"}, {"J", "b"}, {"k", "a"}});
  CHECK(all.extensions == std::set<std::string>{"uuid-ossp"});
  add_made(all, file("DROP INDEX CONCURRENTLY IF EXISTS k, nothing;"
                     "ALTER INDEX i RENAME TO l; ALTER TABLE a RENAME TO c;"
                     "ALTER TABLE c ADD COLUMN x int; DROP TABLE b"));
  CHECK(all.tables == std::set<std::string>{"c"});
  CHECK(all.indexes == std::map<std::string, std::string>{{"l", "c"}});
}
