// `millrace db init` against a real server.

#include "tests/nodes/db_fixture.hpp"

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE_METHOD(db_fixture, "perps-stats Q1, Q2: after init all tables are "
                             "there and the exchanges are seven, however often "
                             "it is repeated") {
  for (auto i = 0; i < 2; ++i) {
    init();
    CHECK(db.value("SELECT count(*) FROM pg_class WHERE relnamespace = "
                   "'tenant_perps'::regnamespace AND relname IN ('exchanges', "
                   "'markets', 'tickers', 'orderbooks', 'trades', "
                   "'funding_rates', 'ingest_events')")
          == "7");
    CHECK(db.value("SELECT string_agg(name, ' ' ORDER BY name) FROM "
                   "tenant_perps.exchanges")
          == "binance bybit cryptocom hyperliquid kucoin lighter paradex");
    CHECK(db.value("SELECT count(*) FROM tenant_perps.tickers") == "0");
  }
}

TEST_CASE_METHOD(db_fixture, "perps-stats Q3: init makes as many children per "
                             "table as days, of consecutive UTC dates from "
                             "today, and a greater number only adds") {
  init();
  for (const auto* table : {"tickers", "orderbooks", "trades", "funding_rates",
                            "liquidity_depth", "klines", "slippage"}) {
    INFO(table);
    CHECK(children(table) == "7");
  }
  init({"--create-partitions-days", "30"});
  CHECK(children("tickers") == "30");
  CHECK(db.value("SELECT count(*) FROM generate_series(0, 29) i WHERE "
                 "to_regclass('tenant_perps.tickers' || to_char((now() AT TIME "
                 "ZONE 'UTC')::date + i::int, '_YYYY_MM_DD')) IS NOT NULL")
        == "30");
  init({"--create-partitions-days", "0"});
  CHECK(children("tickers") == "30");
}

TEST_CASE_METHOD(db_fixture, "init takes nothing away, and a node goes on from "
                             "what it made") {
  init();
  db.execute("CREATE TABLE tenant_perps.old PARTITION OF tenant_perps.trades "
             "FOR VALUES FROM ('2020-01-01+00') TO ('2020-01-02+00')");
  auto x = run({"init", "--set", "perps-stats", "--json"});
  INFO(x.out);
  CHECK(x.code == 0);
  CHECK(x.err.empty());
  json_document json{x.out};
  CHECK(json.text("/migrations/0/set") == "control");
  CHECK(json.text("/partitions/0/table") == "tickers");
  CHECK_THAT(x.out, ContainsSubstring(R"("failures":[])"));
  CHECK(db.value("SELECT to_regclass('tenant_perps.old') IS NULL") == "f");
  CHECK(db.value("SELECT lease_until <= clock_timestamp() FROM "
                 "millrace.coordinator")
        == "t");
}

TEST_CASE_METHOD(db_fixture, "db migrate applies what is missing, and init "
                             "refuses a set that the program does not have") {
  auto x = run({"migrate"});
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring("control in millrace: applied 1, "));
  CHECK_THAT(run({"migrate"}).out, ContainsSubstring("up to date"));
  auto wrong = run({"init", "--set", "nothing"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, ContainsSubstring("nothing"));
}
