#include "actors/coordinator/partition_steps.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;
using namespace std::chrono;

namespace {

using words = std::vector<std::string_view>;

const partition_time noon{sys_days{2025y / January / 30} + 12h};

partition_time midnight(int from_now) {
  return floor<days>(noon) + days{from_now};
}

partition_policy tickers() {
  partition_policy result{"shop", "tickers", {}};
  result.rules.tables = {"tickers"};
  result.rules.ahead = days{2};
  return result;
}

/// Days from `first` to `last`, counted from now.
known_table table_with(int first, int last) {
  known_table result;
  result.key = "ts";
  result.columns = {"id", "ts"};
  for (auto i = first; i <= last; ++i)
    result.partitions.push_back({"shop", "p" + std::to_string(i), midnight(i),
                                 midnight(i + 1), false, false});
  return result;
}

known_partition rest() {
  return {"shop", "rest", {}, {}, true, false};
}

std::vector<partition_step>
steps(const partition_policy& policy, const known_table& table,
      const std::vector<begun_removal>& begun = {}) {
  return steps_of(policy, table, begun, plan_partitions(policy, table, noon));
}

} // namespace

TEST_CASE("what is to be made is told with its bounds and the SQL") {
  auto all = steps(tickers(), table_with(-1, 1));
  REQUIRE(all.size() == 1);
  CHECK(all[0].partition == "tickers_2025_02_01");
  CHECK(all[0].actions == words{"make", "attach"});
  CHECK(all[0].range == partition_period{midnight(2), midnight(3)});
  CHECK(all[0].statements.front().starts_with("CREATE TABLE "));
}

TEST_CASE("where there is a default partition it is drained, and what is old "
          "is detached with a lock") {
  auto table = table_with(-40, 1);
  table.partitions.push_back(rest());
  auto policy = tickers();
  policy.rules.keep = days{39};
  auto all = steps(policy, table);
  REQUIRE(all.size() == 2);
  CHECK(all[0].actions == words{"make", "drain", "attach"});
  CHECK(all[1].partition == "p-40");
  CHECK(all[1].actions == words{"detach", "drop"});
  CHECK(all[1].statements
        == std::vector<std::string>{
          R"(ALTER TABLE "shop"."tickers" DETACH PARTITION "shop"."p-40")",
          R"(DROP TABLE "shop"."p-40")"});
}

TEST_CASE("what is old is detached concurrently unless a default partition is "
          "there, or made before") {
  auto policy = tickers();
  policy.rules.keep = days{39};
  auto all = steps(policy, table_with(-40, 2));
  REQUIRE(all.size() == 1);
  CHECK(all[0].statements[0].ends_with("CONCURRENTLY"));
  policy.rules.late = late_rows::catch_all;
  all = steps(policy, table_with(-40, 2));
  REQUIRE(all.size() == 2);
  CHECK(all[0].partition == "tickers_default");
  CHECK(all[0].actions == words{"make", "attach"});
  CHECK(all[1].statements[0].ends_with("\"p-40\""));
}

TEST_CASE("removals that have begun come first, but for those of tables that "
          "are gone") {
  auto all = steps(tickers(), table_with(-1, 2),
                   {{{"shop", "half"}, 1, false},
                    {{"shop", "gone"}, 2, true, false},
                    {{"shop", "whole"}, 3, true}});
  REQUIRE(all.size() == 2);
  CHECK(all[0].partition == "half");
  CHECK(all[0].actions == words{"detach", "drop"});
  CHECK(all[0].statements[0].ends_with("FINALIZE"));
  CHECK(all[1].partition == "whole");
  CHECK(all[1].actions == words{"drop"});
}

TEST_CASE("how far ahead a table has partitions ends with the first gap") {
  struct example {
    std::string what;
    known_table table;
    partition_reach reach;
  };
  auto with_gap = table_with(0, 4);
  std::erase_if(with_gap.partitions,
                [](const auto& x) { return x.name == "p3"; });
  auto unbounded = table_with(0, 0);
  unbounded.partitions.push_back(
    {"shop", "future", midnight(1), {}, false, false});
  auto only_default = table_with(0, -1);
  only_default.partitions.push_back(rest());
  for (const auto& x : std::vector<example>{
         {"as wanted", table_with(-1, 2), {2, 2, midnight(3)}},
         {"more", table_with(-1, 5), {5, 2, midnight(6)}},
         {"this day alone", table_with(0, 0), {0, 2, midnight(1)}},
         {"the one of now is missing", table_with(1, 5), {0, 2, noon}},
         {"a gap", with_gap, {2, 2, midnight(3)}},
         {"nothing", table_with(0, -1), {0, 2, noon}},
         {"a default partition does not count", only_default, {0, 2, noon}},
         {"without end", unbounded, {max_counted_periods, 2, {}}}}) {
    INFO(x.what);
    CHECK(reach_of(tickers(), x.table, noon) == x.reach);
  }
}

TEST_CASE("what is archived is copied after it is detached and before it is "
          "dropped") {
  auto policy = tickers();
  policy.rules.archive = "/archive";
  auto table = table_with(-1, 2);
  partition_plan plan;
  plan.drop = {{"shop", "old"}};
  auto all = steps_of(policy, table, {{{"shop", "cut"}, 1, true, true, {}}},
                      plan);
  REQUIRE(all.size() == 2);
  CHECK(all[0].actions == words{"archive", "drop"});
  CHECK(all[1].actions == words{"detach", "archive", "drop"});
  CHECK(all[1].statements
        == std::vector<std::string>{
          "ALTER TABLE \"shop\".\"tickers\" DETACH PARTITION \"shop\".\"old\" "
          "CONCURRENTLY",
          "COPY (SELECT \"id\", \"ts\" FROM \"shop\".\"old\") TO STDOUT",
          "DROP TABLE \"shop\".\"old\""});
}
