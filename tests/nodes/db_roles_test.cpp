// `millrace db roles` against a real server, and as each role.

#include "tests/nodes/lanes_fixture.hpp"

#include <exception>
#include <fstream>
#include <iterator>

#include <unistd.h>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using words = std::vector<std::string>;

class roles_fixture : public lanes_fixture {
public:
  roles_fixture() {
    auto up = millrace::test::run({"migrate", "up", "--config", config},
                                  environment());
    INFO(up.err);
    REQUIRE(up.code == 0);
  }

  ~roles_fixture() override {
    for (const auto* suffix :
         {"_login", "_owner", "_ingest", "_reader", "_north_ingest",
          "_north_reader", "_late_ingest", "_late_reader"})
      try {
        db.execute("DROP OWNED BY " + prefix + suffix + "; DROP ROLE " + prefix
                   + suffix);
      } catch (const std::exception&) {
        // It was not made.
      }
  }

  outcome roles(const std::string& command) const {
    return run({"db", "roles", command, "--prefix", prefix});
  }

  /// Whether the role may do that.
  bool may(const std::string& role, const std::string& sql) const {
    try {
      db.execute("SET ROLE " + prefix + role + "; " + sql);
      return true;
    } catch (const std::exception& e) {
      INFO(sql);
      CHECK_THAT(std::string{e.what()},
                 ContainsSubstring("permission denied")
                   || ContainsSubstring("must be owner"));
      return false;
    }
  }

  std::string prefix = "r" + std::to_string(::getpid());
};

} // namespace

TEST_CASE_METHOD(roles_fixture, "a plan tells the statements and changes "
                                "nothing; apply runs them, again and again") {
  auto plan = roles("plan");
  INFO(plan.out << plan.err);
  CHECK(plan.code == 0);
  CHECK_THAT(plan.out,
             ContainsSubstring("CREATE ROLE " + prefix
                               + "_north_ingest NOLOGIN;\n")
               && ContainsSubstring("GRANT SELECT, INSERT, UPDATE, DELETE ON "
                                    "ALL TABLES IN SCHEMA tenant_north TO "
                                    + prefix + "_north_ingest;\n")
               && ContainsSubstring("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA "
                                    "millrace FROM PUBLIC;\n"));
  CHECK(db.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE '" + prefix
                 + "%'")
        == "0");
  CHECK(roles("apply").code == 0);
  auto again = roles("apply");
  INFO(again.out << again.err);
  CHECK(again.code == 0);
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action WHERE command = "
                 "'db roles apply'")
        == "2");
  CHECK_THAT(roles("plan").out,
             !ContainsSubstring("CREATE ROLE")
               && !ContainsSubstring("GRANT " + prefix + "_north_ingest TO"));
  CHECK(run({"db", "roles", "plan", "--prefix", "Not a name"}).code == 2);
}

TEST_CASE_METHOD(roles_fixture, "ingest may write and claim, and neither "
                                "create nor drop; reader may read") {
  REQUIRE(roles("apply").code == 0);
  for (const auto* role : {"_ingest", "_north_ingest"}) {
    INFO(role);
    CHECK(may(role, "INSERT INTO tenant_north.notes (id) VALUES (1); UPDATE "
                    "tenant_north.notes SET v = 'x'; DELETE FROM "
                    "tenant_north.notes; SELECT * FROM millrace.lane"));
    CHECK(may(role, "SELECT millrace.moved('{1}', '{1}', '{2}')"));
    for (const auto* sql :
         {"CREATE TABLE tenant_north.more (id int)",
          "DROP TABLE "
          "tenant_north.notes",
          "TRUNCATE tenant_north.notes", "CREATE TABLE millrace.more (id int)",
          "ALTER TABLE tenant_north.notes ADD COLUMN x int",
          "DROP SCHEMA tenant_north CASCADE", "CREATE SCHEMA more"})
      CHECK_FALSE(may(role, sql));
  }
  CHECK(may("_reader", "SELECT * FROM tenant_north.notes; SELECT * FROM "
                       "millrace.lane"));
  CHECK_FALSE(may("_reader", "DELETE FROM tenant_north.notes"));
  CHECK_FALSE(may("_reader", "SELECT millrace.moved('{1}', '{1}', '{2}')"));
  // Only its own tenant.
  CHECK_FALSE(may("_north_ingest", "SELECT * FROM tenant_south.notes"));
  CHECK_FALSE(may("_north_reader", "SELECT * FROM tenant_south.notes"));
  // Who writes says neither who may what, nor what is applied, nor what a
  // coordinator is to drop as the owner, nor what people did.
  for (const auto* role : {"_ingest", "_north_ingest"})
    for (const auto* sql :
         {"INSERT INTO millrace.role_prefix VALUES ('mine')",
          "DELETE FROM millrace.schema_migrations",
          "UPDATE millrace.schema_repeatables SET checksum = ''",
          "INSERT INTO millrace.partition_removal (schema_name, table_name, "
          "partition_name, partition_oid, bounds) VALUES ('tenant_north', "
          "'tenant_north.notes', 'notes', 'tenant_north.notes'::regclass, '')",
          "UPDATE millrace.partition_removal SET partition_oid = 0",
          "DELETE FROM millrace.partition_removal",
          "INSERT INTO millrace.partition_hold (schema_name, partition_name, "
          "partition_oid, held_by) VALUES ('tenant_north', 'notes', 0, 'me')",
          "UPDATE millrace.partition_hold SET held_by = 'me'",
          "DELETE FROM millrace.partition_hold",
          "INSERT INTO millrace.coordinator DEFAULT VALUES",
          "UPDATE millrace.coordinator SET epoch = epoch + 1",
          "DELETE FROM millrace.coordinator",
          "UPDATE millrace.admin_action SET reason = 'none'",
          "DELETE FROM millrace.admin_action"})
      CHECK_FALSE(may(role, sql));
  CHECK(may("_north_ingest", "INSERT INTO millrace.admin_action (os_user, "
                             "host, command, object, reason) VALUES ('a', "
                             "'b', 'c', 'd', 'e')"));
  auto calls = [this](const std::string& role) {
    return db.value("SELECT bool_and(has_function_privilege('" + prefix + role
                    + "', oid, 'EXECUTE')) FROM pg_proc WHERE proname = "
                      "'claim' AND pronamespace = 'millrace'::regnamespace");
  };
  CHECK(calls("_ingest") == "t");
  CHECK(calls("_north_ingest") == "t");
  CHECK(calls("_reader") == "f");
  // No function lends its owner's rights.
  CHECK(db.value("SELECT count(*) FROM pg_proc WHERE prosecdef AND "
                 "pronamespace = 'millrace'::regnamespace")
        == "0");
  // Tables of later migrations, too.
  db.execute("CREATE TABLE tenant_north.later (id int)");
  CHECK(may("_ingest", "INSERT INTO tenant_north.later VALUES (1)"));
}

TEST_CASE_METHOD(roles_fixture, "a tenant that comes later is the roles' with "
                                "its first migration, and so are roles of its "
                                "own") {
  REQUIRE(roles("apply").code == 0);
  auto migrate = [this](words args) {
    args.insert(args.begin(), "migrate");
    args.insert(args.end(),
                {"--pg-env", "DB_URL", "--set", "ticks", "--tenant", "late"});
    auto x = millrace::test::run(args, environment());
    INFO(x.out << x.err);
    REQUIRE(x.code == 0);
  };
  migrate({"up"});
  auto check = [this] {
    for (const auto* role : {"_ingest", "_late_ingest"}) {
      INFO(role);
      CHECK(may(role, "INSERT INTO tenant_late.symbols (symbol_id, "
                      "symbol_name, tick_size) VALUES (9, 'x', 1); UPDATE "
                      "tenant_late.symbols SET symbol_name = 'y' WHERE "
                      "symbol_id = 9; DELETE FROM tenant_late.symbols WHERE "
                      "symbol_id = 9; SELECT count(*) FROM tenant_late.ticks, "
                      "millrace.lane"));
      for (const auto* sql :
           {"CREATE TABLE tenant_late.more (id int)",
            "DROP TABLE tenant_late.ticks", "TRUNCATE tenant_late.ticks",
            "DELETE FROM tenant_late.schema_migrations"})
        CHECK_FALSE(may(role, sql));
    }
    for (const auto* role : {"_reader", "_late_reader"}) {
      INFO(role);
      CHECK(may(role, "SELECT count(*) FROM tenant_late.ticks"));
      CHECK_FALSE(may(role, "DELETE FROM tenant_late.ticks"));
    }
    CHECK_FALSE(may("_late_ingest", "SELECT * FROM tenant_north.notes"));
    CHECK_FALSE(may("_late_reader", "SELECT * FROM tenant_north.notes"));
    CHECK_FALSE(may("_north_ingest", "SELECT * FROM tenant_late.ticks"));
  };
  check();
  // Tables that are made anew, and one more.
  migrate({"redo"});
  check();
  // Nothing of it without the prefix.
  db.execute("DELETE FROM millrace.role_prefix");
  auto x = millrace::test::run({"migrate", "up", "--pg-env", "DB_URL", "--set",
                                "ticks", "--tenant", "later"},
                               environment());
  REQUIRE(x.code == 0);
  CHECK_FALSE(may("_ingest", "SELECT * FROM tenant_later.ticks"));
}

TEST_CASE_METHOD(roles_fixture, "an owner who may not make roles gives a new "
                                "tenant to those that are there") {
  db.execute("CREATE ROLE " + prefix + "_owner LOGIN");
  scratch_database theirs{"roles"};
  theirs.execute("ALTER DATABASE " + theirs.name() + " OWNER TO " + prefix
                 + "_owner");
  auto url = theirs.url();
  auto at = url.find("//") + 2;
  url.replace(at, url.find('@') - at, prefix + "_owner");
  auto migrate = [&](words args) {
    args.insert(args.begin(), {"migrate", "up", "--pg-env", "DB_URL"});
    auto x = millrace::test::run(args, {{"DB_URL", url}});
    INFO(x.out << x.err);
    REQUIRE(x.code == 0);
  };
  migrate({});
  // By somebody who may, for what the owner makes.
  theirs.execute("DO $$ DECLARE s text; BEGIN FOREACH s IN ARRAY ARRAY(SELECT "
                 "millrace.role_statements('"
                 + prefix + "')) LOOP EXECUTE s; END LOOP; END $$");
  migrate({"--set", "ticks", "--tenant", "late"});
  theirs.execute("SET ROLE " + prefix
                 + "_ingest; INSERT INTO tenant_late.symbols (symbol_id, "
                   "symbol_name, tick_size) VALUES (9, 'x', 1); SELECT "
                   "millrace.moved('{1}', '{1}', "
                   "'{2}')");
  theirs.execute("SET ROLE " + prefix
                 + "_reader; SELECT * FROM tenant_late.symbols");
  CHECK(theirs.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE '"
                     + prefix + "_late%'")
        == "0");
  // Without any of the roles it is only told.
  theirs.execute("UPDATE millrace.role_prefix SET prefix = 'nobody_has'");
  migrate({"--set", "ticks", "--tenant", "later"});
  CHECK(theirs.value("SELECT count(*) FROM tenant_later.ticks") == "0");
}

TEST_CASE_METHOD(roles_fixture, "a node that neither migrates nor coordinates "
                                "writes as the ingest role") {
  REQUIRE(roles("apply").code == 0);
  db.execute("CREATE ROLE " + prefix
             + "_login LOGIN CONNECTION LIMIT 41 IN ROLE " + prefix
             + "_ingest");
  std::ifstream in{config};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  const std::string head = "[postgresql]\n";
  text.replace(text.find(head), head.size(),
               "[coordinator]\nstand_by = false\n" + head
                 + "auto_migrate = false\n");
  auto file = folder.write("ingest.toml", text);
  auto url = db.url();
  auto at = url.find("//") + 2;
  url.replace(at, url.find('@') - at, prefix + "_login");
  process::variables environment{{"DB_URL", url}};
  auto doctor = millrace::test::run({"db", "doctor", "--config", file},
                                    environment);
  INFO(doctor.out << doctor.err);
  CHECK_THAT(doctor.out, !ContainsSubstring("grants"));
  CHECK_THAT(doctor.out,
             ContainsSubstring("error: sessions: 1 node(s) may open 42 "
                               "sessions each, and the role's connection limit "
                               "leaves 41\n    mend: ALTER ROLE"));
  auto node = std::make_unique<process>(std::vector<std::string>{"node", file},
                                        environment);
  send("{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"bad\"}\n"
       "{\"id\":3,\"v\":\"c\"}\n");
  await("SELECT count(*) FROM millrace.dead_letter", "1");
  await("SELECT count(*) FROM tenant_north.notes", "2");
  CHECK_THAT(node->err_so_far(), ContainsSubstring("few-sessions")
                                   && ContainsSubstring("leaves 41"));
  stop(node);
  CHECK(notes() == "1:a 3:c");
}
