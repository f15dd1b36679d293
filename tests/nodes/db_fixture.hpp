#pragma once

// The tables of perpetual futures, as `millrace db` finds them: a database of
// one test's own, and a configuration that declares what grows.

#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <string>
#include <vector>

namespace millrace::test {

using words = std::vector<std::string>;

class db_fixture {
public:
  process::variables environment() const {
    return {{"DB_URL", db.url()}};
  }

  /// `millrace db …` with `--config`.
  outcome run(words args) const {
    args.insert(args.begin(), "db");
    args.insert(args.end(), {"--config", file});
    return test::run(args, environment());
  }

  /// All tables, and partitions of seven days from today on.
  void init(words more = {}) const {
    words args{"init", "--set", "perps-stats"};
    args.insert(args.end(), more.begin(), more.end());
    auto x = run(std::move(args));
    INFO(x.out << x.err);
    REQUIRE(x.code == 0);
  }

  /// How many partitions a table has that are not the default one.
  std::string children(const std::string& table) const {
    return db.value("SELECT count(*) FROM pg_inherits i JOIN pg_class c ON "
                    "c.oid = i.inhrelid WHERE i.inhparent = 'tenant_perps."
                    + table
                    + "'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> "
                      "'DEFAULT'");
  }

  scratch_database db{"db"};
  scratch_folder folder;
  std::string file = folder.write("node.toml", R"toml([postgresql]
url = { env = "DB_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "perps"
[pipeline.perps]
topics = ["perps.trades"]
tenant = "'perps'"
lanes = 2
[[pipeline.perps.event]]
name = "trade"
route = "required(.symbol)"
[[pipeline.perps.event.write]]
table = "trades"
kind = "append"
[pipeline.perps.event.write.columns]
exchange_id = "1"
symbol = ".symbol"
trade_id = ".id"
price = ".price"
size = ".quantity"
ts = ".timestamp"
[[pipeline.perps.partition]]
tables = ["tickers", "orderbooks", "trades", "funding_rates", "open_interest",
          "liquidity_depth", "klines", "slippage"]
late = "default"
[[pipeline.perps.series]]
tables = ["tickers", "orderbooks", "trades", "funding_rates", "open_interest",
          "liquidity_depth", "klines", "slippage"]
time = "ts"
symbol = "symbol"
exchange = "exchange_id"
exchange_name = "name"
[[pipeline.perps.series]]
tables = ["ingest_events"]
time = "ts"
[[pipeline.perps.series]]
tables = ["kline_discovery_cache"]
time = "discovered_at"
)toml");
};

} // namespace millrace::test
