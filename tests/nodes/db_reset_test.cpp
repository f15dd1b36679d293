// `millrace db seed`, `setup-dev` and `reset` against a real server.

#include "tests/nodes/db_fixture.hpp"

#include <unistd.h>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

class reset_fixture : public db_fixture {
public:
  std::string schemas() const {
    return db.value("SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM "
                    "pg_namespace WHERE nspname IN ('millrace', "
                    "'tenant_perps', 'tenant_other')");
  }
};

} // namespace

TEST_CASE_METHOD(reset_fixture, "perps-stats 32: seed writes reference rows "
                                "again, those that were changed and those that "
                                "are gone, and leaves others alone") {
  init({"--create-partitions-days", "0"});
  db.execute("UPDATE tenant_perps.exchanges SET taker_fee = 1 WHERE name = "
             "'binance'; DELETE FROM tenant_perps.exchanges WHERE name = "
             "'bybit'; INSERT INTO tenant_perps.exchanges (name, taker_fee) "
             "VALUES ('mine', 2); UPDATE tenant_perps.exchanges SET taker_fee "
             "= 3 WHERE name = 'cryptocom'");
  CHECK_THAT(run({"migrate"}).out, ContainsSubstring("up to date"));
  auto x = run({"seed", "--set", "perps-stats"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring("perps-stats in tenant_perps: ")
                      && ContainsSubstring("rows_exchanges"));
  CHECK(db.value("SELECT string_agg(name || ' ' || taker_fee, ', ' ORDER BY "
                 "name) FROM tenant_perps.exchanges WHERE name IN ('binance', "
                 "'bybit', 'mine', 'cryptocom')")
        == "binance 0.000084, bybit 0.000300, cryptocom 3.000000, mine "
           "2.000000");
  CHECK(db.value("SELECT count(*) FROM tenant_perps.exchanges") == "8");
  CHECK_THAT(run({"seed"}).out, ContainsSubstring("no reference rows"));
}

TEST_CASE_METHOD(reset_fixture, "reset drops what is the configuration's, "
                                "after telling, and init begins anew") {
  init();
  db.execute("CREATE SCHEMA tenant_other; CREATE TABLE tenant_other.t ()");
  auto unanswered = run({"reset"});
  CHECK(unanswered.code == 1);
  CHECK_THAT(unanswered.err, ContainsSubstring("schema tenant_perps: "));
  CHECK(schemas() == "millrace tenant_other tenant_perps");
  CHECK(run({"reset", "--json"}).code == 2);
  auto x = run({"reset", "--yes"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK(x.out == "dropped tenant_perps\ndropped millrace\n");
  CHECK(schemas() == "tenant_other");
  auto nothing = run({"reset", "--yes", "--json"});
  CHECK(nothing.code == 0);
  CHECK(nothing.out == "{\"dropped\":[]}\n");
  init();
}

TEST_CASE_METHOD(reset_fixture, "reset leaves a schema alone that Millrace has "
                                "not made") {
  db.execute("CREATE SCHEMA tenant_perps; CREATE TABLE tenant_perps.t ()");
  auto refused = run({"reset", "--yes"});
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, ContainsSubstring("somebody else's"));
  CHECK(schemas() == "tenant_perps");
  CHECK(run({"reset", "--yes", "--force"}).code == 0);
  CHECK(schemas().empty());
}

TEST_CASE_METHOD(reset_fixture, "reset is refused while a node coordinates, "
                                "and where another configuration's tenants "
                                "are, unless it is forced") {
  init({"--create-partitions-days", "1"});
  db.execute("INSERT INTO millrace.tenant (name, schema) VALUES ('other', "
             "'tenant_other'); UPDATE millrace.coordinator SET epoch = 7, "
             "owner = gen_random_uuid(), node = 'one', lease_until = now() + "
             "interval '1 h'");
  auto x = run({"reset", "--yes"});
  CHECK(x.code == 1);
  CHECK_THAT(x.err,
             ContainsSubstring("the tenant other of another configuration")
               && ContainsSubstring("node one coordinates this database")
               && ContainsSubstring("--force does it all the same"));
  CHECK(schemas() == "millrace tenant_perps");
  auto forced = run({"reset", "--yes", "--force"});
  INFO(forced.out << forced.err);
  CHECK(forced.code == 0);
  CHECK(schemas().empty());
}

TEST_CASE_METHOD(reset_fixture, "setup-dev makes the database, its tables and "
                                "the roles, and may be repeated") {
  auto name = unique_name("fresh");
  auto url = db.url();
  url.replace(url.rfind('/') + 1, std::string::npos, name);
  auto prefix = "s" + std::to_string(::getpid());
  words args{"db",    "setup-dev",   "--config", file,
             "--set", "perps-stats", "--prefix", prefix};
  process::variables environment{{"DB_URL", url}};
  auto first = millrace::test::run(args, environment);
  INFO(first.out << first.err);
  CHECK(first.code == 0);
  CHECK_THAT(first.out, ContainsSubstring("made database " + name)
                          && ContainsSubstring("next: millrace node "));
  auto again = millrace::test::run(args, environment);
  INFO(again.out << again.err);
  CHECK(again.code == 0);
  CHECK_THAT(again.out, !ContainsSubstring("made database"));
  CHECK(db.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE '" + prefix
                 + "%'")
        == "4");
  db.execute("DROP DATABASE " + name + " WITH (FORCE)");
  for (const auto* role :
       {"_ingest", "_reader", "_perps_ingest", "_perps_reader"})
    db.execute("DROP ROLE " + prefix + role);
}
