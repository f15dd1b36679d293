// What `millrace partitions run` writes down of itself where it does not come
// to its end.

#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct fixture {
  fixture() {
    auto up = millrace::test::run({"migrate", "up", "--config", file},
                                  environment());
    INFO(up.out << up.err);
    REQUIRE(up.code == 0);
  }

  process::variables environment() const {
    return {{"DB_URL", db.url()}};
  }

  /// Looks after the tables, while the server does that before each CREATE
  /// TABLE.
  outcome run_with(const std::string& plpgsql) const {
    db.execute("CREATE OR REPLACE FUNCTION public.meanwhile() RETURNS "
               "event_trigger LANGUAGE plpgsql AS $$ BEGIN "
               + plpgsql
               + " END $$; CREATE EVENT TRIGGER meanwhile ON "
                 "ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE "
                 "FUNCTION public.meanwhile()");
    auto x = millrace::test::run({"partitions", "run", "--config", file},
                                 environment());
    db.execute("DROP EVENT TRIGGER meanwhile");
    return x;
  }

  std::string children() const {
    return db.value("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                    "'tenant_north.ticks'::regclass");
  }

  scratch_database db{"record"};
  scratch_folder folder;
  std::string file = folder.write("node.toml", R"toml([postgresql]
url = { env = "DB_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "north"
[pipeline.ticks]
pack = "ticks"
topics = ["ticks"]
tenant = "'north'"
[[pipeline.ticks.partition]]
tables = ["ticks"]
ahead = "20d"
)toml");
};

} // namespace

TEST_CASE_METHOD(fixture, "who changes partitions is written down before the "
                          "first of them is made") {
  auto x = run_with("IF NOT EXISTS (SELECT FROM millrace.admin_action) THEN "
                    "RAISE EXCEPTION 'nobody has said so'; END IF;");
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action WHERE command = "
                 "'partitions run' AND jsonb_array_length(after->'made') > 1")
        == "1");
}

TEST_CASE_METHOD(fixture, "where that cannot be written down nothing is made") {
  auto before = children();
  db.execute("ALTER TABLE millrace.admin_action ADD CHECK (reason <> 'not "
             "said')");
  auto x = run_with("");
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("tenant_north.ticks: cannot be noted in "
                                      "millrace.admin_action"));
  CHECK(children() == before);
}

TEST_CASE_METHOD(fixture, "what was made before the session broke is written "
                          "down") {
  auto before = std::stoi(children());
  // With the second partition.
  auto x = run_with("IF (SELECT count(*) FROM pg_inherits WHERE inhparent = "
                    "'tenant_north.ticks'::regclass) > "
                    + std::to_string(before)
                    + " THEN PERFORM pg_terminate_backend(pg_backend_pid()); "
                      "END IF;");
  INFO(x.out << x.err);
  CHECK(x.code != 0);
  CHECK(children() == std::to_string(before + 1));
  CHECK(db.value("SELECT jsonb_array_length(after->'made') FROM "
                 "millrace.admin_action")
        == "1");
}
