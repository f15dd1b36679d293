#include "nodes/cli/db_stats_text.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("wrong db commands are refused before a server is asked") {
  struct wrong {
    std::vector<std::string> args;
    std::string text;
  };
  for (const auto& x : std::vector<wrong>{
         {{"db"}, "subcommand"},
         {{"db", "init"}, "expected --config FILE"},
         {{"db", "init", "--config", "/none"}, "/none"},
         {{"db", "init", "--config", "/none", "--create-partitions-days", "-1"},
          "--create-partitions-days: found -1, expected 0 to 400"},
         {{"db", "stats", "--format", "xml"}, "--format"},
         {{"db", "stats"}, "expected --config FILE"}}) {
    auto end = run(x.args);
    INFO(end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, ContainsSubstring(x.text));
  }
}

TEST_CASE("sizes are written as PostgreSQL writes them") {
  CHECK(size_text(0) == "0 bytes");
  CHECK(size_text(10239) == "10239 bytes");
  CHECK(size_text(10240) == "10 kB");
  CHECK(size_text(49152) == "48 kB");
  CHECK(size_text(10'485'247) == "10239 kB");
  CHECK(size_text(10'485'248) == "10 MB");
  CHECK(size_text(int64_t{5} << 40) == "5120 GB");
}

TEST_CASE("ages are minutes below an hour, hours below a day, then days") {
  CHECK(age_text(0) == "0m");
  CHECK(age_text(59) == "59m");
  CHECK(age_text(60) == "1h");
  CHECK(age_text(1439) == "23h");
  CHECK(age_text(2880) == "2d");
}

TEST_CASE("a column is a time when its type is one") {
  CHECK(time_expression("ts", "timestamp with time zone") == "\"ts\"");
  CHECK(time_expression("ts", "timestamp without time zone")
        == "(\"ts\" AT TIME ZONE 'UTC')");
  CHECK(time_expression("d", "date")
        == "(\"d\"::timestamp AT TIME ZONE 'UTC')");
  CHECK(time_expression("ms", "bigint") == "to_timestamp(\"ms\" / 1000.0)");
  CHECK(time_expression("t", "text") == std::nullopt);
}

TEST_CASE("statistics of a tenant are one table after the other, numbers at "
          "their ends") {
  tenant_stats x;
  x.tenant = "demo";
  x.schema = "tenant_demo";
  x.database = "postgresql";
  x.fetched_at = "2026-01-02T03:04:05.000006Z";
  table_stats big;
  big.name = "ticks";
  big.rows = 12345;
  big.total_bytes = 49152;
  big.partitions = 3;
  big.range = {"2026-01-01T00:00:00.5Z", "2026-01-02T03:00:00Z", 4};
  big.exchanges.emplace().push_back({"x1", 7, big.range});
  table_stats small;
  small.name = "symbols";
  x.tables = {big, small};
  x.top_symbols = {{"BTC", 9}};
  auto text = stats_text(x);
  CHECK_THAT(text, ContainsSubstring(R"(Tenant demo, schema tenant_demo
TABLE    ROW COUNT     SIZE  DATA AGE  MIN TIMESTAMP        MAX TIMESTAMP
ticks        12345    48 kB  4m        2026-01-01 00:00:00  2026-01-02 03:00:00
symbols          -  0 bytes  -         -                    -
Total partitions: 3
Fetched at: 2026-01-02T03:04:05.000006Z
)"));
  CHECK_THAT(text, ContainsSubstring(R"(
ticks by exchange
EXCHANGE  COUNT  DATA AGE  LATEST UPDATE
x1            7  4m        2026-01-02 03:00:00
)"));
  CHECK_THAT(text, ContainsSubstring("\nTop symbols\nSYMBOL  RECORDS\n"
                                     "BTC           9\n"));
}
