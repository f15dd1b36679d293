#include "config/config.hpp"
#include "nodes/cli/partitions_text.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace millrace;
using namespace millrace::cli;
using namespace millrace::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

const partition_time today{std::chrono::sys_days{2025y / 1 / 30}};

partition_time day(int from_now) {
  return today + std::chrono::days{from_now};
}

table_view view() {
  table_view x;
  x.policy = {"shop", "tickers", {}, "feed", "demo"};
  x.policy.rules.ahead = std::chrono::days{1};
  x.database = control_database;
  x.table.key = "ts";
  x.table.partitions = {{"shop", "rest", {}, {}, true, false},
                        {"shop", "now", day(0), day(1), false, false},
                        {"shop", "past", {}, day(0), false, true}};
  x.sizes = {{"shop", "now", 7, 8192}};
  x.removals = {{{"shop", "gone"}, 1, true, false},
                {{"shop", "cut"}, 2, true, true, "disc full"}};
  x.plan = plan_partitions(x.policy, x.table, today);
  x.reach = reach_of(x.policy, x.table, today);
  return x;
}

} // namespace

TEST_CASE("partitions are listed in the order of time, each with its state") {
  CHECK(
    list_text({view()})
    == R"(shop.tickers: pipeline feed, tenant demo; by day, 0 of 1 ahead, until 2025-01-31 00:00:00+00
PARTITION           STATE      FROM                    TO                      ROWS  BYTES
past                detaching  unbounded               2025-01-30 00:00:00+00  -     -
now                 attached   2025-01-30 00:00:00+00  2025-01-31 00:00:00+00  7     8192
tickers_2025_01_31  planned    2025-01-31 00:00:00+00  2025-02-01 00:00:00+00  -     -
rest                default    -                       -                       -     -
cut                 detached   -                       -                       -     -
cut stays without an archive: disc full
)");
}

TEST_CASE("the database is named where it is not the control database") {
  auto x = view();
  x.database = "second";
  CHECK_THAT(list_text({x}),
             ContainsSubstring("shop.tickers of database second: pipeline"));
}

TEST_CASE("a partition that was brought back is listed as held, and a "
          "hypertable as what it is") {
  auto x = view();
  x.table.partitions[1].held = true;
  CHECK_THAT(list_text({x}), ContainsSubstring("\nnow                 held "));
  x.table.timescaledb = "public";
  x.reach = reach_of(x.policy, x.table, today);
  CHECK_THAT(list_text({x}), ContainsSubstring("hypertable, chunks come by "
                                               "themselves\n"));
}

TEST_CASE("why a partition stays is in JSON, too") {
  CHECK_THAT(list_json({view()}),
             ContainsSubstring(R"("state":"detached","rows":null,"bytes":null,)"
                               R"("trouble":"disc full")"));
}

TEST_CASE("bounds are written as PostgreSQL prints such keys") {
  partition_reach x{1, 1, today};
  CHECK(reach_text(x, partition_key_type::date)
        == "1 of 1 ahead, until 2025-01-30");
  CHECK(reach_text(x, partition_key_type::timestamp)
        == "1 of 1 ahead, until 2025-01-30 00:00:00");
  CHECK(reach_text({1, 1, {}}, partition_key_type::milliseconds)
        == "1 of 1 ahead, without end");
}

TEST_CASE("a plan drops what somebody noted, but not a table that took its "
          "name") {
  auto text = plan_text({view()});
  CHECK_THAT(text, ContainsSubstring("  drop cut\n    DROP TABLE "
                                     "\"shop\".\"cut\";\n"));
  CHECK_THAT(text, !ContainsSubstring("gone"));
  CHECK_THAT(text, ContainsSubstring("  make, drain, attach "
                                     "tickers_2025_01_31, from 2025-01-31 "
                                     "00:00:00+00 to 2025-02-01 "
                                     "00:00:00+00\n"));
}

TEST_CASE("of a table that could not be read JSON has the error alone") {
  auto x = view();
  x.error = "shop.tickers does not exist";
  CHECK(list_text({x}).empty());
  CHECK(plan_json({x})
        == R"([{"pipeline":"feed","tenant":"demo","database":"postgresql",)"
           R"("schema":"shop","table":"tickers",)"
           R"("error":"shop.tickers does not exist"}])"
           "\n");
}

TEST_CASE("wrong partitions commands are refused before a server is asked") {
  struct wrong {
    std::vector<std::string> args;
    std::string text;
  };
  for (const auto& x : std::vector<wrong>{
         {{"partitions"}, "subcommand"},
         {{"partitions", "list"}, "expected --config FILE"},
         {{"partitions", "run", "--timeout", "soon"},
          "--timeout: found \"soon"},
         {{"partitions", "plan", "--config", "/none"}, "/none"},
         {{"partitions", "archive", "--config", "/none"}, "--older-than"},
         {{"partitions", "archive", "--older-than", "soon"},
          "--older-than: found \"soon"},
         {{"partitions", "restore"}, "expected MANIFEST"},
         {{"partitions", "restore", "a.json", "b.json", "--as", "c"},
          "--as names one table"},
         {{"partitions", "release"}, "PARTITION"}}) {
    auto end = run(x.args);
    INFO(end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, ContainsSubstring(x.text));
  }
}
