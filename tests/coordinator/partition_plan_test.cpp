#include "actors/coordinator/partition_plan.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <format>
#include <random>

using namespace millrace;
using namespace std::chrono_literals;
using namespace std::chrono;

namespace {

partition_time at(sys_days day, milliseconds time = 0ms) {
  return partition_time{day} + time;
}

const auto noon = at(2025y / January / 30, 12h);

partition_policy tickers() {
  partition_policy result{"tenant_demo", "tickers", {}};
  result.rules.tables = {"tickers"};
  result.rules.ahead = days{2};
  return result;
}

known_partition part(const std::string& name, partition_time from,
                     partition_time to) {
  return {"tenant_demo", name, from, to, false, false};
}

known_table empty_table() {
  known_table result;
  result.key = "ts";
  result.columns = {"id", "ts"};
  return result;
}

/// What is there once all that is planned has been made.
void carry_out(known_table& table, const partition_plan& plan) {
  for (const auto& x : plan.make)
    table.partitions.push_back(part(x.name, x.range.from, x.range.to));
  for (const auto& x : plan.drop)
    std::erase_if(table.partitions,
                  [&x](const auto& y) { return y.name == x.name; });
  if (plan.make_default)
    table.partitions.push_back(
      {"tenant_demo", *plan.make_default, {}, {}, true, false});
}

std::vector<std::string> names(const partition_plan& plan) {
  std::vector<std::string> result;
  for (const auto& x : plan.make)
    result.push_back(x.name);
  return result;
}

using texts = std::vector<std::string>;

} // namespace

// -- the calendar -------------------------------------------------------------

TEST_CASE("periods of every kind and zone follow each other without a gap, and "
          "each has a name of its own") {
  const std::vector<std::string> zones{"UTC",
                                       "Europe/Berlin",
                                       "America/New_York",
                                       "America/Sao_Paulo",
                                       "America/St_Johns",
                                       "America/Havana",
                                       "Australia/Lord_Howe",
                                       "Asia/Kathmandu",
                                       "Pacific/Apia",
                                       "Africa/Cairo",
                                       ""};
  for (const auto& zone : zones)
    for (auto every : {partition_every::day, partition_every::week,
                       partition_every::month}) {
      INFO(zone << ' ' << to_string(every));
      partition_calendar calendar{every, zone};
      auto x = calendar.around(at(2008y / January / 1, 12h));
      std::string before;
      while (x.to < at(2013y / January / 1)) {
        auto name = calendar.name(default_partition_name(every), "t", x);
        if (name == before || x.from >= x.to)
          FAIL(name);
        before = name;
        // Whatever moment of it is asked for.
        for (auto moment : {x.from, x.from + (x.to - x.from) / 2, x.to - 1ms})
          if (!(calendar.around(moment) == x))
            FAIL(name << " at " << wall_text(moment));
        auto next = calendar.around(x.to);
        if (next.from != x.to)
          FAIL("a gap after " << name);
        x = next;
      }
    }
}

TEST_CASE(
  "a day of a zone has 23 hours when its clocks go forward, and 25 when "
  "they go back") {
  partition_calendar calendar{partition_every::day, "Europe/Berlin"};
  auto spring = calendar.around(at(2025y / March / 30, 12h));
  CHECK(spring.from == at(2025y / March / 29, 23h));
  CHECK(spring.to - spring.from == 23h);
  auto autumn = calendar.around(at(2025y / October / 26, 12h));
  CHECK(autumn.to - autumn.from == 25h);
  CHECK(calendar.name("{table}_{YYYY}_{MM}_{DD}", "t", autumn)
        == "t_2025_10_26");
}

TEST_CASE("leap days are days, and months end where they end") {
  partition_calendar day{partition_every::day, "UTC"};
  auto leap = day.around(at(2028y / February / 29, 5h));
  CHECK(day.name("{table}_{YYYY}_{MM}_{DD}", "t", leap) == "t_2028_02_29");
  CHECK(leap.to == at(2028y / March / 1));
  partition_calendar month{partition_every::month, "UTC"};
  auto february = month.around(at(2028y / February / 29, 5h));
  CHECK(february.from == at(2028y / February / 1));
  CHECK(february.to == at(2028y / March / 1));
  CHECK(month.around(at(2027y / December / 31)).to == at(2028y / January / 1));
}

TEST_CASE("weeks begin on Monday and hours are those of UTC") {
  partition_calendar week{partition_every::week, "UTC"};
  auto x = week.around(at(2026y / January / 1, 3h));
  CHECK(x.from == at(2025y / December / 29));
  CHECK(x.to == at(2026y / January / 5));
  partition_calendar hour{partition_every::hour, "Europe/Berlin"};
  auto y = hour.around(at(2026y / January / 1, 3h + 59min));
  CHECK(y.from == at(2026y / January / 1, 3h));
  CHECK(hour.name(default_partition_name(partition_every::hour), "t", y)
        == "t_2026_01_01_03");
}

TEST_CASE("a zone that nobody knows is refused") {
  CHECK_THROWS(partition_calendar{partition_every::day, "Europe/Atlantis"});
}

// -- the plan -----------------------------------------------------------------

TEST_CASE("a table gets the day of now, those ahead, and the one before") {
  auto plan = plan_partitions(tickers(), empty_table(), noon);
  CHECK(names(plan)
        == texts{"tickers_2025_01_30", "tickers_2025_01_31",
                 "tickers_2025_02_01", "tickers_2025_01_29"});
  CHECK(
    plan.make[1].range
    == partition_period{at(2025y / January / 31), at(2025y / February / 1)});
  CHECK(plan.drop.empty());
  CHECK(plan.problems.empty());
  CHECK_FALSE(plan.make_default);
}

TEST_CASE("what is planned and made needs nothing more, for every kind of "
          "period") {
  for (auto every : {partition_every::hour, partition_every::day,
                     partition_every::week, partition_every::month})
    for (auto type :
         {partition_key_type::timestamptz, partition_key_type::timestamp,
          partition_key_type::milliseconds}) {
      auto policy = tickers();
      policy.rules.every = every;
      policy.rules.ahead = days{100};
      policy.rules.keep = days{100};
      policy.rules.late = late_rows::catch_all;
      if (type == partition_key_type::milliseconds)
        policy.rules.key = partition_key::milliseconds;
      if (every != partition_every::hour)
        policy.rules.timezone = "America/St_Johns";
      auto table = empty_table();
      table.type = type;
      auto goes = 0;
      for (;; ++goes) {
        auto plan = plan_partitions(policy, table, noon);
        CHECK(plan.problems.empty());
        CHECK(plan.make.size() <= max_new_partitions);
        if (plan.make.empty() && plan.drop.empty() && !plan.make_default)
          break;
        carry_out(table, plan);
        REQUIRE(goes < 10);
      }
      CHECK(goes >= 1);
    }
}

TEST_CASE(
  "a clock that is an hour off finds its partition, before midnight and "
  "after") {
  auto table = empty_table();
  carry_out(table,
            plan_partitions(tickers(), table, at(2025y / January / 31, 10min)));
  for (auto off : {-60min, 60min}) {
    auto row = at(2025y / January / 31, 10min) + off;
    CHECK(std::ranges::any_of(table.partitions, [&](const auto& x) {
      return x.from <= row && row < x.to;
    }));
  }
}

TEST_CASE("a creation that was blocked for two periods is made up for, and "
          "until then there were partitions") {
  auto table = empty_table();
  carry_out(table, plan_partitions(tickers(), table, noon));
  for (auto i = 0; i < 2; ++i) {
    // Nothing could be made: the rows of the day still have their place.
    auto now = noon + days{i + 1};
    CHECK(std::ranges::any_of(table.partitions, [&](const auto& x) {
      return x.from <= now && now < x.to;
    }));
  }
  auto plan = plan_partitions(tickers(), table, noon + days{2});
  CHECK(names(plan) == texts{"tickers_2025_02_02", "tickers_2025_02_03"});
}

TEST_CASE("a partition is dropped when all that it can hold is too old, the "
          "oldest first") {
  auto policy = tickers();
  policy.rules.keep = days{2};
  auto table = empty_table();
  for (auto d : {29, 27, 26, 28})
    table.partitions.push_back(
      part("p" + std::to_string(d),
           at(2025y / January / day{static_cast<unsigned>(d)}),
           at(2025y / January / day{static_cast<unsigned>(d)}) + days{1}));
  table.partitions.push_back({"tenant_demo", "low", {}, noon - days{9}});
  table.partitions.push_back({"tenant_demo", "rest", {}, {}, true});
  auto plan = plan_partitions(policy, table, noon);
  CHECK(plan.drop
        == std::vector<old_partition>{{"tenant_demo", "low"},
                                      {"tenant_demo", "p26"},
                                      {"tenant_demo", "p27"}});
  // The 28th ends at midnight of the 29th, 36 hours ago.
  plan = plan_partitions(policy, table, noon + 12h);
  CHECK(plan.drop.size() == 4);
  CHECK(plan.drop.back().name == "p28");
}

TEST_CASE("nothing is made that would be dropped at once") {
  auto policy = tickers();
  policy.rules.keep = 1h;
  auto plan = plan_partitions(policy, empty_table(), noon);
  CHECK(
    names(plan)
    == texts{"tickers_2025_01_30", "tickers_2025_01_31", "tickers_2025_02_01"});
}

TEST_CASE("partitions of another rule stay, and what they leave open is made") {
  auto policy = tickers();
  policy.rules.every = partition_every::month;
  policy.rules.ahead = days{1};
  auto table = empty_table();
  for (auto d : {29, 30, 31})
    table.partitions.push_back(
      part(std::format("tickers_2025_01_{}", d),
           at(2025y / January / day{static_cast<unsigned>(d)}),
           at(2025y / January / day{static_cast<unsigned>(d)}) + days{1}));
  table.partitions.push_back(
    part("early", at(2025y / January / 5), at(2025y / January / 9)));
  auto plan = plan_partitions(policy, table, noon);
  REQUIRE(plan.make.size() == 3);
  CHECK(plan.make[0]
        == new_partition{"tickers_2025_01",
                         {at(2025y / January / 1), at(2025y / January / 5)}});
  CHECK(plan.make[1]
        == new_partition{"tickers_2025_01_2",
                         {at(2025y / January / 9), at(2025y / January / 29)}});
  CHECK(plan.make[2].name == "tickers_2024_12");
}

TEST_CASE("partitions without bounds cover what is beyond") {
  auto table = empty_table();
  table.partitions.push_back({"tenant_demo", "all", {}, {}});
  CHECK(plan_partitions(tickers(), table, noon).make.empty());
  table.partitions[0].to = at(2025y / January / 31);
  CHECK(names(plan_partitions(tickers(), table, noon))
        == texts{"tickers_2025_01_31", "tickers_2025_02_01"});
}

TEST_CASE("rows in the default partition get partitions of their own, unless "
          "they are too old") {
  auto policy = tickers();
  policy.rules.late = late_rows::catch_all;
  policy.rules.keep = days{400};
  auto table = empty_table();
  auto plan = plan_partitions(policy, table, noon);
  CHECK(plan.make_default == "tickers_default");
  carry_out(table, plan);
  table.strays = {at(2024y / May / 5, 3h), at(2024y / May / 5, 4h),
                  at(1970y / January / 1), at(2031y / May / 5)};
  CHECK(names(plan_partitions(policy, table, noon))
        == texts{"tickers_2024_05_05", "tickers_2031_05_05"});
}

TEST_CASE("keys without a time zone are partitioned by the wall, whose day the "
          "zone says") {
  auto policy = tickers();
  policy.rules.timezone = "Asia/Tokyo";
  policy.rules.ahead = 1min;
  auto table = empty_table();
  table.type = partition_key_type::timestamp;
  // Nine hours ahead: there it is the 31st.
  auto plan = plan_partitions(policy, table, at(2025y / January / 30, 16h));
  REQUIRE(names(plan).front() == "tickers_2025_01_31");
  CHECK(plan.make[0].range.from == at(2025y / January / 31));
  table.type = partition_key_type::timestamptz;
  plan = plan_partitions(policy, table, at(2025y / January / 30, 16h));
  REQUIRE(names(plan).front() == "tickers_2025_01_31");
  CHECK(plan.make[0].range.from == at(2025y / January / 30, 15h));
}

TEST_CASE("ten thousand partitions are planned around in no time") {
  auto policy = tickers();
  policy.rules.keep = days{4'000};
  auto table = empty_table();
  for (auto i = 0; i < 10'000; ++i) {
    auto from = at(2025y / January / 30) - days{i};
    table.partitions.push_back(
      part("p" + std::to_string(i), from, from + days{1}));
  }
  std::minstd_rand random{1};
  std::ranges::shuffle(table.partitions, random);
  auto started = steady_clock::now();
  auto plan = plan_partitions(policy, table, noon);
  CHECK(steady_clock::now() - started < 2s);
  CHECK(names(plan) == texts{"tickers_2025_01_31", "tickers_2025_02_01"});
  CHECK(plan.drop.size() == 10'000 - 4'001);
  CHECK(plan.drop.front().name == "p9999");
}

TEST_CASE("what cannot be partitioned so is a problem, and nothing is done") {
  auto policy = tickers();
  auto table = empty_table();
  table.type = partition_key_type::milliseconds;
  auto plan = plan_partitions(policy, table, noon);
  CHECK(plan.make.empty());
  REQUIRE(plan.problems.size() == 1);
  table.type = partition_key_type::date;
  policy.rules.every = partition_every::hour;
  CHECK(plan_partitions(policy, table, noon).problems.size() == 1);
  policy = tickers();
  policy.table = std::string(60, 't');
  plan = plan_partitions(policy, empty_table(), noon);
  CHECK(plan.make.empty());
  REQUIRE_FALSE(plan.problems.empty());
  CHECK(plan.problems[0].contains("more than 63 bytes"));
}

// -- statements ---------------------------------------------------------------

TEST_CASE("a partition is made standalone, checked and attached") {
  auto policy = tickers();
  policy.table = "Tick\"ers";
  new_partition what{"p1",
                     {at(2025y / January / 31), at(2025y / February / 1)}};
  auto made = make_statements(policy, empty_table(), what);
  REQUIRE(made.size() == 4);
  CHECK(made[0].starts_with("CREATE TABLE \"tenant_demo\".\"p1\" (LIKE "
                            "\"tenant_demo\".\"Tick\"\"ers\" "));
  CHECK(made[2]
        == "ALTER TABLE \"tenant_demo\".\"Tick\"\"ers\" ATTACH PARTITION "
           "\"tenant_demo\".\"p1\" FOR VALUES FROM ('2025-01-31 00:00:00+00') "
           "TO ('2025-02-01 00:00:00+00')");
}

TEST_CASE("rows of a new partition leave the default partition in the same "
          "transaction") {
  auto table = empty_table();
  table.type = partition_key_type::milliseconds;
  table.partitions.push_back({"other", "rest", {}, {}, true});
  new_partition what{"p1", {partition_time{5ms}, partition_time{7ms}}};
  auto made = make_statements(tickers(), table, what);
  REQUIRE(made.size() == 6);
  CHECK(made[2] == "LOCK TABLE \"other\".\"rest\" IN ACCESS EXCLUSIVE MODE");
  CHECK(made[3]
        == "WITH moved AS (DELETE FROM \"other\".\"rest\" WHERE \"ts\" >= "
           "5::bigint AND \"ts\" < 7::bigint RETURNING \"id\", \"ts\") INSERT "
           "INTO \"tenant_demo\".\"p1\" (\"id\", \"ts\") SELECT \"id\", \"ts\" "
           "FROM moved");
  CHECK(made[4].ends_with("FOR VALUES FROM (5) TO (7)"));
}
