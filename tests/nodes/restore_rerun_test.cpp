// `millrace db restore` where it was run before, runs already, or is in
// somebody's way.

#include "tests/nodes/backup_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE_METHOD(backup_fixture, "a restore that is asked for again after its "
                                 "end is done already, unless it is to be made "
                                 "once more") {
  send(lines(0, 10));
  ingest(counts, "10:10:10");
  REQUIRE(back_up().code == 0);
  REQUIRE(restore().code == 0);
  send(lines(10, 20));
  ingest(counts, "20:20:20");
  auto kept = others();
  auto over = restore();
  INFO(over.out << over.err);
  CHECK(over.code == 0);
  CHECK_THAT(over.out, ContainsSubstring(db.name() + " is of this backup since")
                         && ContainsSubstring("--again"));
  auto told = restore({"--json"});
  CHECK(json_document{told.out}.text("/databases/0/since").ends_with("Z"));
  CHECK(db.value(counts) == "20:20:20");
  CHECK(others() == kept);
  // The newest, where none is named.
  auto again = restore({"--again"}, {});
  INFO(again.out << again.err);
  CHECK(again.code == 0);
  CHECK(db.value(counts) == "10:10:10");
  ingest(counts, "20:20:20");
}

TEST_CASE_METHOD(backup_fixture, "two restores of one database never run at "
                                 "once, whichever database they work from") {
  REQUIRE(run({"migrate", "up"}).code == 0);
  REQUIRE(back_up().code == 0);
  scratch_database elsewhere{"elsewhere"};
  session_config settings;
  settings.keywords = {{"dbname", elsewhere.url()}};
  auto first = connection::open(settings);
  REQUIRE(first);
  REQUIRE(first->query("SELECT pg_advisory_lock(hashtextextended('millrace "
                       "restore ' || $1, 0))",
                       {db.name()}));
  auto refused = restore();
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err,
             ContainsSubstring("another 'millrace db restore' is at work on "
                               "database \""
                               + db.name()));
  first->close_and_wait(30s);
  // Somebody else's lock is nobody's business.
  auto other = connection::open(settings);
  REQUIRE(other);
  REQUIRE(other->query("SELECT pg_advisory_lock(hashtextextended('millrace "
                       "restore ' || $1, 0))",
                       {db.name() + "_2"}));
  auto done = restore({"--maintenance-db", elsewhere.name()});
  INFO(done.err);
  CHECK(done.code == 0);
}

TEST_CASE_METHOD(backup_fixture, "while nobody can tell which maps the nodes "
                                 "remember nothing is swapped") {
  send(lines(0, 5));
  ingest(counts, "5:5:5");
  REQUIRE(back_up().code == 0);
  db.execute("ALTER TABLE millrace.pipeline RENAME COLUMN map_version TO odd");
  auto before = db.value("SELECT oid FROM pg_database WHERE datname = "
                         "current_database()");
  auto refused = restore();
  INFO(refused.out << refused.err);
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, ContainsSubstring("the maps of \"" + db.name()
                                            + "\" cannot be read")
                            && ContainsSubstring("map_version"));
  CHECK(db.value("SELECT oid FROM pg_database WHERE datname = "
                 "current_database()")
        == before);
  // Where there is no control schema there are no maps.
  db.execute("DROP SCHEMA millrace CASCADE");
  auto done = restore();
  INFO(done.out << done.err);
  CHECK(done.code == 0);
  CHECK_FALSE(done.err.contains(": fill"));
}

TEST_CASE_METHOD(backup_fixture, "a database of the new one's name that no "
                                 "restore has made is left alone") {
  REQUIRE(run({"migrate", "up"}).code == 0);
  REQUIRE(back_up().code == 0);
  scratch_database other{"other"};
  auto name = db.name() + "__restoring";
  other.execute("CREATE TABLE precious (x int)");
  scratch_database admin{"admin"};
  admin.execute("ALTER DATABASE " + other.name() + " RENAME TO " + name);
  auto refused = restore();
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, ContainsSubstring("that no restore has made"));
  admin.execute("ALTER DATABASE " + name + " RENAME TO " + other.name());
  CHECK(other.value("SELECT count(*) FROM precious") == "0");
  // One that its maker could not mark has nothing in it.
  admin.execute("CREATE DATABASE " + name);
  CHECK(restore().code == 0);
}
