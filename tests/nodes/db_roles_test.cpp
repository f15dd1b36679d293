// `millrace db roles` against a real server, and as each role.

#include "tests/nodes/lanes_fixture.hpp"

#include <exception>
#include <fstream>
#include <iterator>

#include <unistd.h>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

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
         {"_login", "_ingest", "_reader", "_north_ingest", "_north_reader"})
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
             ContainsSubstring("CREATE ROLE \"" + prefix
                               + "_north_ingest\" NOLOGIN;\n")
               && ContainsSubstring("GRANT SELECT, INSERT, UPDATE, DELETE ON "
                                    "ALL TABLES IN SCHEMA \"tenant_north\" TO "
                                    "\""
                                    + prefix + "_north_ingest\";\n"));
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
  CHECK_THAT(roles("plan").out, !ContainsSubstring("CREATE ROLE"));
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
  // Tables of later migrations, too.
  db.execute("CREATE TABLE tenant_north.later (id int)");
  CHECK(may("_ingest", "INSERT INTO tenant_north.later VALUES (1)"));
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
