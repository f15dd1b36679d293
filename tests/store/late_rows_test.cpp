// Rows that no partition takes, against a real server: which are too late for
// ever, and which wait.

#include "actors/store/late_rows.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <optional>
#include <string>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

/// `log` is partitioned by `id`, which the milliseconds of a row are in.
struct fixture : store_fixture {
  lane_row row = take();

  fixture() {
    db.execute("DROP TABLE tenant_demo.log; CREATE TABLE tenant_demo.log (id "
               "bigint, version bigint, v text) PARTITION BY RANGE (id)");
    let_keep(std::chrono::days{30});
  }

  void let_keep(std::optional<std::chrono::milliseconds> keep) {
    write_target target;
    target.schema = "tenant_demo";
    target.table = "log";
    target.columns = {"id", "version", "v"};
    if (keep)
      target.late = late_rule{*keep, "UTC"};
    plan = make_write_plan("p", "demo", rows_of, {target});
  }

  static int64_t ago(std::chrono::milliseconds x) {
    auto now = std::chrono::system_clock::now() - x;
    return std::chrono::duration_cast<std::chrono::milliseconds>(
             now.time_since_epoch())
      .count();
  }

  flush_result write(int64_t id) {
    auto data = batch_of(100, 101);
    data.blocks.resize(1);
    add_row(data.blocks[0], 100, event_row(id, {}, "v"), 100);
    auto work = flush_of(row, data);
    auto result = run(work);
    CHECK(result.sqlstate == "23514");
    judge_late_rows(*conn, result, work);
    return result;
  }

  /// Partitions the table by another column, which is filled by its default.
  void by(const std::string& type, const std::string& key) const {
    db.execute("DROP TABLE tenant_demo.log; CREATE TABLE tenant_demo.log (id "
               "bigint, version bigint, v text, k "
               + type + " DEFAULT (" + key + ")) PARTITION BY RANGE (k)");
  }
};

} // namespace

TEST_CASE("the value of a partition key is found in what PostgreSQL says") {
  CHECK(failing_key("no partition of relation \"t\" found for row; Partition "
                    "key of the failing row contains (ts) = (2020-01-01 "
                    "00:00:00+00).; COPY t, line 1")
        == "2020-01-01 00:00:00+00");
  CHECK_FALSE(failing_key("no partition of relation \"t\" found for row"));
  CHECK_FALSE(failing_key("(ts) = (2020"));
}

TEST_CASE_METHOD(fixture,
                 "a row that is older than its table keeps is refused, "
                 "and the reason says what is kept") {
  auto old = ago(std::chrono::days{31});
  auto result = write(old);
  CHECK(result.action == failure_action::bisect);
  CHECK(result.message == "a row is older than its table keeps");
  CHECK_THAT(result.reason,
             StartsWith("the row is older than table tenant_demo.log keeps: id "
                        "is "
                        + std::to_string(old) + ", and rows are kept from "));
}

TEST_CASE_METHOD(fixture, "a row that is young enough, or ahead, waits for its "
                          "partition") {
  for (auto age : {std::chrono::days{29}, std::chrono::days{-400}}) {
    auto result = write(ago(age));
    CHECK(result.action == failure_action::wait_partition);
    CHECK_THAT(result.message, ContainsSubstring("no partition"));
  }
}

TEST_CASE_METHOD(fixture, "without a rule all rows wait") {
  let_keep({});
  CHECK(write(1).action == failure_action::wait_partition);
}

TEST_CASE_METHOD(fixture, "rows are too late by keys of each type") {
  struct example {
    std::string type;
    std::string unit;
  };
  for (const auto& x : {example{"timestamptz", "now()"},
                        example{"timestamp", "now() AT TIME ZONE 'UTC'"},
                        example{"date", "(now() AT TIME ZONE 'UTC')::date"}}) {
    INFO(x.type);
    by(x.type, x.unit + " - interval '32 days'");
    auto late = write(1);
    CHECK(late.action == failure_action::bisect);
    CHECK_THAT(late.reason, ContainsSubstring("keeps: k is "));
    by(x.type, x.unit + " - interval '29 days'");
    CHECK(write(1).action == failure_action::wait_partition);
    by(x.type, x.unit + " + interval '400 days'");
    CHECK(write(1).action == failure_action::wait_partition);
  }
  by("text", "'a'");
  CHECK(write(1).action == failure_action::wait_partition);
}
