// What `millrace db seed` and `db update-fees` write, against a real server.

#include "tests/nodes/db_fixture.hpp"

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE_METHOD(db_fixture,
                 "trading-engine 3.3: seed tells the counts of what "
                 "it writes, and adds nothing a second time") {
  const words seed{"seed", "--set", "trading-engine", "--set",
                   "trading-engine-seed"};
  auto first = run(seed);
  INFO(first.out << first.err);
  REQUIRE(first.code == 0);
  for (const auto* line :
       {"  users: 4 rows, 4 of them new\n", "  user_roles: 5 rows, 5 of them",
        "  instruments: 15 rows, 15 of them", "  accounts: 4 rows, 4 of them",
        "  liquidity_providers: 4 rows, 4 of", "  sor_rules: 4 rows, 4 of them",
        "  risk_limits: 5 rows, 5 of them",
        "  circuit_breakers: 3 rows, 3 of them"})
    CHECK_THAT(first.out, ContainsSubstring(line));
  db.execute("DELETE FROM tenant_perps.circuit_breakers WHERE id IN (SELECT id "
             "FROM tenant_perps.circuit_breakers LIMIT 1)");
  auto again = run(seed);
  CHECK(again.code == 0);
  CHECK_THAT(again.out,
             ContainsSubstring("  users: 4 rows, 0 of them new\n")
               && ContainsSubstring("  circuit_breakers: 2 rows, 0 of them"));
}

TEST_CASE_METHOD(db_fixture, "seed writes reference rows that were deleted "
                             "again, and counts them") {
  init();
  db.execute("DELETE FROM tenant_perps.exchanges WHERE name IN ('bybit', "
             "'lighter')");
  auto x = run({"seed", "--set", "perps-stats", "--json"});
  INFO(x.out);
  CHECK(x.code == 0);
  json_document all{x.out};
  REQUIRE(all.size() == 2);
  CHECK(all.text("/1/tables/0/table") == "exchanges");
  CHECK(all.integer("/1/tables/0/rows") == 7);
  CHECK(all.integer("/1/tables/0/new") == 2);
}

TEST_CASE_METHOD(db_fixture, "perps-stats 3.6: update-fees changes what is "
                             "given, tells what was before, and knows its "
                             "exchanges") {
  init();
  auto fees = [&] {
    return db.value("SELECT maker_fee || ' ' || taker_fee FROM "
                    "tenant_perps.exchanges WHERE name = 'kucoin'");
  };
  REQUIRE(fees() == "-0.000050 0.000200");
  auto one = run({"update-fees", "-e", "kucoin", "-t", "0.0003"});
  INFO(one.out << one.err);
  CHECK(one.code == 0);
  CHECK(one.out
        == "exchange kucoin of tenant perps: maker -0.000050 before, -0.000050 "
           "now; taker 0.000200 before, 0.000300 now\n");
  CHECK(fees() == "-0.000050 0.000300");
  json_document both{
    run({"update-fees", "--exchange", "cryptocom", "--maker", "-0.0001",
         "--taker", "0.0001", "--reason", "their mail", "--json"})
      .out};
  CHECK(both.text("/changed/0/after/maker") == "-0.000100");
  CHECK(db.value("SELECT object || ' ' || reason || ' ' || (before->>'maker' "
                 "IS NULL) FROM millrace.admin_action WHERE command = 'db "
                 "update-fees' ORDER BY id DESC LIMIT 1")
        == "tenant_perps.exchanges/cryptocom their mail true");
  auto unknown = run({"update-fees", "-e", "kukoin", "-m", "0"});
  CHECK(unknown.code == 1);
  CHECK_THAT(unknown.err, ContainsSubstring("--exchange: found \"kukoin\"")
                            && ContainsSubstring("kucoin"));
  CHECK(db.value("SELECT count(*) FROM millrace.admin_action WHERE command = "
                 "'db update-fees'")
        == "2");
  // The pack's rows are the pack's.
  REQUIRE(run({"seed", "--set", "perps-stats"}).code == 0);
  CHECK(fees() == "-0.000050 0.000200");
}
