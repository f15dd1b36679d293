// Which partitions are removed: by a policy, by hand, and of hypertables.

#include "actors/coordinator/partition_plan.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;
using namespace std::chrono;

namespace {

const partition_time noon{sys_days{2025y / January / 30} + 12h};

partition_policy tickers() {
  partition_policy result{"shop", "tickers", {}};
  result.rules.tables = {"tickers"};
  result.rules.ahead = days{1};
  result.rules.keep = days{2};
  return result;
}

/// The ten days before now, and today.
known_table table() {
  known_table result;
  result.key = "ts";
  for (auto i = -10; i <= 0; ++i) {
    auto from = floor<days>(noon) + days{i};
    result.partitions.push_back({"shop", "p" + std::to_string(-i),
                                 partition_time{from},
                                 partition_time{from + days{1}}, false, false});
  }
  return result;
}

using old_ones = std::vector<old_partition>;

} // namespace

TEST_CASE("what is held stays, however old, and everything else goes") {
  auto x = table();
  x.partitions[0].held = true;
  auto plan = plan_partitions(tickers(), x, noon);
  REQUIRE(plan.drop.size() == 7);
  CHECK(plan.drop.front() == old_partition{"shop", "p9"});
  CHECK(plan.drop.back() == old_partition{"shop", "p3"});
}

TEST_CASE("an archive by hand takes what ended so long ago, held or not, and "
          "nothing that has not ended") {
  auto x = table();
  x.partitions[0].held = true;
  x.partitions.push_back({"shop", "rest", {}, {}, true, false});
  x.partitions.push_back({"shop", "future", noon + days{5}, {}, false, false});
  auto policy = tickers();
  policy.rules.keep = 0ms;
  CHECK(plan_archive(policy, x, noon, days{8})
        == old_ones{{"shop", "p10"}, {"shop", "p9"}});
  CHECK(plan_archive(policy, x, noon, 0ms).size() == 10);
  CHECK(plan_archive(policy, x, noon, days{9'000}).empty());
}

TEST_CASE("of a hypertable whole chunks that are older go, and nothing is made "
          "or lacking") {
  auto x = table();
  x.timescaledb = "public";
  auto policy = tickers();
  policy.rules.late = late_rows::catch_all;
  auto plan = plan_partitions(policy, x, noon);
  CHECK(plan.make.empty());
  CHECK_FALSE(plan.make_default);
  CHECK(plan.drop.size() == 8);
  CHECK(reach_of(policy, x, noon).by_itself);
  CHECK(drop_chunks_statement(policy, x, plan.drop.front())
        == "SELECT \"public\".drop_chunks('\"shop\".\"tickers\"'::regclass, "
           "older_than => '2025-01-21 00:00:00+00'::timestamptz)");
  policy.rules.keep = 0ms;
  CHECK(plan_partitions(policy, x, noon).drop.empty());
}

TEST_CASE("chunks that should be archived stay, which is a problem") {
  auto x = table();
  x.timescaledb = "public";
  auto policy = tickers();
  policy.rules.archive = "/archive";
  auto plan = plan_partitions(policy, x, noon);
  CHECK(plan.drop.empty());
  CHECK(plan.problems.size() == 1);
}

TEST_CASE("triggers that would refuse that a row leaves the default partition "
          "are off while it moves") {
  auto x = table();
  x.columns = {"id"};
  x.partitions.push_back({"shop", "rest", {}, {}, true, false});
  x.strays_triggers = {"keep"};
  auto all = make_statements(tickers(), x, {"new", {noon, noon + days{1}}});
  REQUIRE(all.size() == 8);
  CHECK(all[2] == "LOCK TABLE \"shop\".\"rest\" IN ACCESS EXCLUSIVE MODE");
  CHECK(all[3] == "ALTER TABLE \"shop\".\"rest\" DISABLE TRIGGER \"keep\"");
  CHECK(all[4].starts_with("WITH moved AS (DELETE FROM \"shop\".\"rest\""));
  CHECK(all[5] == "ALTER TABLE \"shop\".\"rest\" ENABLE TRIGGER \"keep\"");
}
