// `millrace db stats` against a real server.

#include "tests/nodes/db_fixture.hpp"

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

class stats_fixture : public db_fixture {
public:
  stats_fixture() {
    init();
  }

  /// A ticker of an exchange, some minutes old.
  void ticker(const std::string& exchange, const std::string& symbol,
              int minutes) const {
    db.execute("INSERT INTO tenant_perps.tickers (exchange_id, symbol, ts) "
               "SELECT id, '"
               + symbol + "', now() - interval '" + std::to_string(minutes)
               + " min' FROM tenant_perps.exchanges WHERE name = '" + exchange
               + "'");
  }

  outcome stats(words more) const {
    more.insert(more.begin(), "stats");
    return run(std::move(more));
  }
};

} // namespace

TEST_CASE_METHOD(stats_fixture, "perps-stats Q4: of an empty database every "
                                "count is 0 but that of exchanges, times are "
                                "null, and partitions are counted") {
  auto x = stats({"--format", "json", "--tenant", "perps"});
  INFO(x.out << x.err);
  REQUIRE(x.code == 0);
  json_document json{x.out};
  for (const auto* table :
       {"markets", "tickers", "orderbooks", "trades", "funding_rates",
        "liquidity_depth", "klines", "slippage", "ingest_events"}) {
    auto at = std::string{"/"} + table;
    CHECK(json.integer(at + "/row_count") == 0);
    CHECK((*json).at_pointer(at + "/min_timestamp").is_null());
    CHECK((*json).at_pointer(at + "/max_timestamp").is_null());
    CHECK((*json).at_pointer(at + "/data_age_minutes").is_null());
  }
  CHECK(json.integer("/exchanges/row_count") == 7);
  CHECK(json.integer("/tickers/partition_count") == 7);
  CHECK(json.integer("/metadata/partition_count") == 8 * 7);
  CHECK(json.text("/metadata/tenant") == "perps");
  CHECK_THAT(json.text("/metadata/fetched_at"), ContainsSubstring("T"));
  CHECK((*json).at_pointer("/schema_migrations").error() != simdjson::SUCCESS);
}

TEST_CASE_METHOD(stats_fixture, "perps-stats Q12: recent activity tells per "
                                "table and symbol the latest time and the last "
                                "hour, the latest first") {
  ticker("binance", "BTC", 90);
  ticker("binance", "BTC", 30);
  ticker("bybit", "BTC", 20);
  ticker("bybit", "ETH", 10);
  json_document json{stats({"--json", "--tenant", "perps"}).out};
  CHECK(json.text("/metadata/recent_activity/0/symbol") == "ETH");
  CHECK(json.text("/metadata/recent_activity/0/table_name") == "tickers");
  CHECK(json.integer("/metadata/recent_activity/0/count_last_hour") == 1);
  CHECK(json.text("/metadata/recent_activity/1/symbol") == "BTC");
  CHECK(json.integer("/metadata/recent_activity/1/count_last_hour") == 2);
  CHECK(json.text("/metadata/top_symbols/0/symbol") == "BTC");
  CHECK(json.integer("/metadata/top_symbols/0/total_records") == 3);
  CHECK(json.integer("/tickers/row_count") == 4);
  CHECK(json.integer("/tickers/data_age_minutes") == 10);
  CHECK(json.integer("/tickers/exchange_breakdown/binance/count") == 2);
  CHECK(json.integer("/tickers/exchange_breakdown/bybit/data_age_minutes")
        == 10);
  CHECK(json.text("/tickers/min_timestamp")
        == db.value("SELECT to_char(min(ts) AT TIME ZONE 'UTC', "
                    "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM "
                    "tenant_perps.tickers"));
}

TEST_CASE_METHOD(stats_fixture, "perps-stats Q13, 25: sizes are those of "
                                "children too, the largest first, and the "
                                "whole database's") {
  db.execute("INSERT INTO tenant_perps.trades (exchange_id, symbol, trade_id, "
             "price, size, ts) SELECT 1, 'BTC', i, 1, 1, now() FROM "
             "generate_series(1, 2000) i");
  json_document json{stats({"--json", "--tenant", "perps"}).out};
  CHECK(json.integer("/trades/table_bytes")
        == std::stoll(db.value("SELECT sum(pg_table_size(relid)) FROM "
                               "pg_partition_tree('tenant_perps.trades')")));
  CHECK(json.integer("/trades/total_bytes")
        == json.integer("/trades/table_bytes")
             + json.integer("/trades/index_bytes"));
  auto text = stats({});
  INFO(text.out << text.err);
  CHECK(text.code == 0);
  CHECK_THAT(text.out, ContainsSubstring("Tenant perps, schema tenant_perps\n")
                         && ContainsSubstring("Total partitions: 56\n")
                         && ContainsSubstring("trades by exchange\n")
                         && ContainsSubstring("Top symbols\n"));
  auto sizes = text.out.substr(text.out.find("Sizes; "));
  CHECK(sizes.find("\ntrades ") < sizes.find("\ntickers "));
  CHECK(sizes.find("\ntrades ") < sizes.find("\nexchanges "));
}

TEST_CASE_METHOD(stats_fixture, "estimates come from the statistics, and "
                                "nothing is counted") {
  ticker("binance", "BTC", 1);
  db.execute("ANALYZE tenant_perps.tickers");
  json_document json{stats({"--json", "--tenant", "perps", "--estimate"}).out};
  CHECK(json.integer("/tickers/row_count") == 1);
  CHECK((*json).at_pointer("/tickers/max_timestamp").is_null());
  CHECK_FALSE(json.boolean("/metadata/exact"));
  CHECK_THAT(stats({"--estimate"}).out, ContainsSubstring("ROWS, ABOUT"));
}

TEST_CASE_METHOD(stats_fixture, "a table that is declared and not there does "
                                "not keep the others from being told") {
  db.execute("DROP TABLE tenant_perps.slippage; ALTER TABLE "
             "tenant_perps.tickers RENAME COLUMN symbol TO coin");
  auto x = stats({"--json"});
  CHECK(x.code == 1);
  json_document json{x.out};
  CHECK(json.text("/0/slippage/error") == "does not exist");
  CHECK_THAT(json.text("/0/tickers/error"), ContainsSubstring("symbol"));
  CHECK(json.integer("/0/trades/row_count") == 0);
  CHECK_THAT(stats({}).err,
             ContainsSubstring("tenant_perps.slippage: does not exist"));
  CHECK(stats({"--tenant", "nobody"}).code == 2);
}
