#include "nodes/cli/db_clean_plan.hpp"
#include "nodes/cli/db_fees.hpp"
#include "nodes/cli/db_seed.hpp"
#include "nodes/cli/db_setup.hpp"
#include "nodes/cli/db_stats_text.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>

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
         {{"db", "clean"}, "expected --older-than DAYS, "},
         {{"db", "clean", "--older-than", "0"}, "--older-than: found 0"},
         {{"db", "clean", "--truncate", "--older-than", "3"},
          "it goes with neither"},
         {{"db", "clean", "--truncate", "--batch", "0"}, "--batch: found 0"},
         {{"db", "stats", "--format", "xml"}, "--format"},
         {{"db", "stats"}, "expected --config FILE"},
         {{"db", "doctor"}, "expected --config FILE"},
         {{"db", "seed"}, "expected --config FILE"},
         {{"db", "setup-dev"}, "expected --config FILE"},
         {{"db", "reset"}, "expected --config FILE"},
         {{"db", "update-fees", "--maker", "0"}, "expected --exchange NAME"},
         {{"db", "update-fees", "-e", "x"}, "expected --maker RATIO, "},
         {{"db", "update-fees", "-e", "x", "-m", "1e3"},
          "--maker: found \"1e3\", expected a decimal number"},
         {{"db", "backups", "--delete-older-than", "soon"},
          "--delete-older-than: found \"soon\""},
         {{"db", "backups", "--yes"}, "--yes goes with --delete-older-than"},
         {{"db", "roles"}, "subcommand"},
         {{"db", "roles", "apply", "--prefix", "Too Long"},
          "--prefix: found"}}) {
    auto end = run(x.args);
    INFO(end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, ContainsSubstring(x.text));
  }
}

TEST_CASE("perps-stats 3.1: --database-url says where the database is, before "
          "or behind the command, and no password is printed") {
  scratch_folder folder;
  auto config = folder.write("node.toml", R"toml(
[postgresql]
url = { env = "NOT_SET" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
)toml");
  const std::string url = "postgresql://me:t0p-s3cret@127.0.0.1:1/d";
  using words = std::vector<std::string>;
  CHECK(run({"db", "stats", "--config", config}).code == 2);
  for (const auto& args :
       {words{"db", "stats", "--config", config, "--database-url", url},
        words{"db", "--database-url", url, "stats", "--config", config},
        words{"db", "init", "--config", config, "--database-url", url},
        words{"db", "migrate", "--database-url", url},
        words{"db", "doctor", "--config", config, "--database-url", url}}) {
    auto end = run(args);
    INFO(end.out << end.err);
    CHECK(end.code == 3);
    CHECK_FALSE((end.out + end.err).contains("t0p-s3cret"));
  }
}

TEST_CASE("a fee is digits with a point, and below 0 a rebate") {
  for (const auto* x : {"0", "0.0002", "-0.00005", "10", "007.50"})
    CHECK(is_fee(x));
  for (const auto* x : {"", "-", ".5", "5.", "1e3", "+1", "--1", "1,5", "0x1",
                        "NaN", " 1", "1.2.3", "123456789012345678901"})
    CHECK_FALSE(is_fee(x));
}

TEST_CASE("seeded are the tables that files insert into by statements of their "
          "own, each once") {
  auto file = [](const std::string& up) {
    migration result;
    result.up = up;
    return result;
  };
  CHECK(
    seeded_tables(
      {file("CREATE TABLE t (a int);\n-- INSERT INTO no VALUES (1);\n"
            "insert into users (a) VALUES (1);\n"
            "INSERT INTO \"Rules\" AS r VALUES (1) ON CONFLICT DO NOTHING;\n"
            "INSERT INTO millrace.tenant VALUES (1);\n"
            "DO $$ BEGIN INSERT INTO inner_one VALUES (1); END $$;"),
       file("INSERT INTO Users VALUES (2); INSERT INTO b SELECT 1;")})
    == std::vector<std::string>{"users", "Rules", "b"});
  CHECK(seeded_tables({file("INSERT INTO x VALUES ('no end);")}).empty());
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

namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;

/// Noon.
const partition_time clean_noon{sys_days{2026y / 3 / 30} + 12h};

known_partition clean_day(const std::string& name, std::chrono::sys_days from) {
  return {"s", name, partition_time{from},
          partition_time{from + std::chrono::days{1}}};
}

known_table clean_table() {
  known_table result;
  result.key = "ts";
  result.partitions
    = {clean_day("today", sys_days{2026y / 3 / 30}),
       clean_day("limit", sys_days{2026y / 3 / 20}),
       clean_day("before", sys_days{2026y / 3 / 19}),
       {"s", "ancient", {}, partition_time{sys_days{2026y / 1 / 1}}},
       {"s", "open", partition_time{sys_days{2026y / 4 / 1}}, {}},
       {"s", "rest", {}, {}, true}};
  return result;
}

std::string names_of(const std::vector<old_partition>& all) {
  std::string result;
  for (const auto& x : all)
    result += x.name + ' ';
  return result;
}

} // namespace

TEST_CASE("rows go by the moment: partitions that are older as a whole, and "
          "rows of the one at the limit and of the default one") {
  auto cut = cut_of(clean_table(), {10, {}}, "UTC", clean_noon);
  CHECK(names_of(cut.drop) == "ancient before ");
  CHECK(names_of(cut.boundary) == "limit rest ");
  CHECK(key_text(partition_key_type::timestamptz, *cut.rows_before)
        == "2026-03-20 12:00:00+00");
}

TEST_CASE("partitions go by the day, strictly before the limit") {
  auto cut = cut_of(clean_table(), {{}, 10}, "UTC", clean_noon);
  CHECK(names_of(cut.drop) == "ancient before ");
  CHECK(cut.boundary.empty());
  CHECK_FALSE(cut.rows_before);
  auto later = cut_of(clean_table(), {{}, 9}, "UTC", clean_noon);
  CHECK(names_of(later.drop) == "ancient before limit ");
  // Of both the later one counts for partitions, and the other for rows alone.
  auto both = cut_of(clean_table(), {20, 9}, "UTC", clean_noon);
  CHECK(names_of(both.drop) == "ancient before limit ");
  CHECK(names_of(both.boundary) == "rest ");
}

TEST_CASE("what somebody holds stays, all of it, and is named") {
  auto table = clean_table();
  for (auto* name : {"before", "limit", "open"})
    std::ranges::find(table.partitions, name, &known_partition::name)->held
      = true;
  auto cut = cut_of(table, {10, {}}, "UTC", clean_noon);
  CHECK(names_of(cut.drop) == "ancient ");
  CHECK(names_of(cut.boundary) == "rest ");
  CHECK(names_of(cut.held) == "limit before ");
  CHECK(names_of(cut_of(table, {{}, 10}, "UTC", clean_noon).held) == "before ");
}

TEST_CASE("days of partitions are those of their zone, whatever its clocks "
          "do") {
  // Berlin's clocks went forward on the 29th of March.
  auto berlin = [](std::chrono::sys_days day, std::chrono::hours at) {
    return partition_time{day + at};
  };
  known_table x;
  x.key = "ts";
  x.partitions = {{"s", "old", berlin(sys_days{2026y / 3 / 27}, 23h),
                   berlin(sys_days{2026y / 3 / 28}, 23h)},
                  {"s", "long", berlin(sys_days{2026y / 3 / 28}, 23h),
                   berlin(sys_days{2026y / 3 / 29}, 22h)}};
  CHECK(names_of(cut_of(x, {{}, 1}, "Europe/Berlin", clean_noon).drop)
        == "old ");
  CHECK(cut_of(x, {{}, 2}, "Europe/Berlin", clean_noon).drop.empty());
}

TEST_CASE("a plan tells what goes, how many rows and bytes") {
  clean_step x;
  x.table = {"demo", "tenant_demo", "ticks", {}, {}};
  x.key = "ts";
  x.rows_before = clean_noon;
  x.drops = {{{"tenant_demo", "ticks_1"}, 7, 49152},
             {{"tenant_demo", "ticks_2"}, {}, 0}};
  x.deletes = {{{"tenant_demo", "ticks_3"}, 9}};
  x.keeps = {keep_held({"tenant_demo", "ticks_4"})};
  clean_step kept;
  kept.table = {"demo", "tenant_demo", "quotes", {}, {}};
  kept.keeps = {keep_held({"tenant_demo", "quotes_1"})};
  CHECK(kept.is_nothing());
  clean_step all;
  all.table = {"demo", "tenant_demo", "log", {}, {}};
  all.truncate = true;
  all.rows = 3;
  all.bytes = 8192;
  CHECK(clean_plan_text({x, all, kept}) == R"(tenant_demo.ticks
  drop ticks_1: about 7 rows, 48 kB
  drop ticks_2: unknown rows, 0 bytes
  delete 9 rows of ticks_3 with ts before 2026-03-30 12:00:00+00
  keep ticks_4: it is held; 'millrace partitions release tenant_demo.ticks_4' lets it go
tenant_demo.log: all rows, about 3 rows, 8192 bytes
tenant_demo.quotes
  keep quotes_1: it is held; 'millrace partitions release tenant_demo.quotes_1' lets it go
)");
  CHECK_THAT(clean_plan_json({x}),
             ContainsSubstring(R"("drop":[{"partition":"ticks_1",)"
                               R"("rows_estimate":7,"bytes":49152},)")
               && ContainsSubstring(
                 R"("delete":[{"from":"ticks_3","rows":9,)"));
}

TEST_CASE("the database's name is the configuration's, or the URL's") {
  postgresql_config x;
  CHECK(database_name_of(x).empty());
  x.url = secret{"postgresql://u:p%40@h:5432/my%20shop?sslmode=require"};
  CHECK(database_name_of(x) == "my shop");
  x.url = secret{"postgresql://h"};
  CHECK(database_name_of(x).empty());
  x.url = secret{"postgresql://h/100%"};
  CHECK(database_name_of(x) == "100%");
  x.database = "shop";
  CHECK(database_name_of(x) == "shop");
}
