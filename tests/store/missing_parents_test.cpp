// Rows whose parents are not there, against a real server: all of them are
// found at once.

#include "actors/store/missing_parents.hpp"
#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Block 0 makes accounts, 1 children, which name an account in `version`, 2
/// pairs, which name one by `version` and `v` and have partitions.
struct fixture : store_fixture {
  fixture() {
    db.execute(
      "CREATE TABLE tenant_demo.accounts (id bigint PRIMARY KEY, version "
      "bigint, v text, UNIQUE (id, v)); "
      "CREATE TABLE tenant_demo.children (id bigint, version bigint "
      "REFERENCES tenant_demo.accounts, v text); "
      "CREATE TABLE tenant_demo.pairs (id bigint, version bigint, v text, "
      "FOREIGN KEY (version, v) REFERENCES tenant_demo.accounts (id, v)) "
      "PARTITION BY RANGE (id); "
      "CREATE TABLE tenant_demo.pairs_1 PARTITION OF tenant_demo.pairs FOR "
      "VALUES FROM (0) TO (1000); "
      "INSERT INTO tenant_demo.accounts VALUES (1, 0, 'x')");
    plan = made(false);
    row = take();
  }

  static write_plan_ptr made(bool always) {
    auto to = [](const std::string& table) {
      write_target result;
      result.schema = "tenant_demo";
      result.table = table;
      result.columns = {"id", "version", "v"};
      result.types = {"20:-1", "20:-1", "25:-1"};
      return result;
    };
    std::vector<write_target> all{to("accounts"), to("children"), to("pairs")};
    all[1].always = always;
    return make_write_plan("p", "demo", rows_of, all);
  }

  void add(std::size_t block, int64_t at, std::optional<int64_t> parent,
           std::string_view text = "x") {
    add_row(data.blocks[block], at,
            event_row(block == 0 ? parent.value_or(0) : at, parent, text), at);
    data.range.to = offset{std::max(data.range.to.value, at + 1)};
  }

  /// Flushes all, and tells the offsets of the writes that are found.
  std::vector<int64_t> missing(std::size_t block) {
    auto work = flush_of(row, data);
    result = run(work);
    if (before_asking)
      before_asking();
    judge_missing_parents(*conn, result, work);
    std::vector<int64_t> at;
    for (const auto& x : result.missing) {
      CHECK(x.source == 0);
      CHECK(x.block == block);
      at.push_back(x.at.value);
    }
    std::ranges::sort(at);
    return at;
  }

  using offsets = std::vector<int64_t>;

  lane_row row;
  batch data = batch_of(100, 101);
  flush_result result;
  std::function<void()> before_asking;
};

} // namespace

TEST_CASE_METHOD(fixture, "all events whose parents are missing are found with "
                          "one question") {
  add(1, 100, 1);
  add(1, 101, 7);
  add(1, 102, {});
  add(1, 103, 8);
  add(1, 104, 7);
  CHECK(missing(1) == offsets{101, 103, 104});
  CHECK(result.action == failure_action::missing);
  CHECK(result.reason
        == "a row that a foreign key names is not there: "
           "children.children_version_fkey");
  CHECK(db.value("SELECT count(*) FROM tenant_demo.children") == "0");
}

TEST_CASE_METHOD(fixture, "a parent that the flush brings is not missing") {
  add(0, 100, 7);
  add(1, 101, 7);
  add(1, 102, 8);
  CHECK(missing(1) == offsets{102});
}

TEST_CASE_METHOD(fixture,
                 "what PostgreSQL would complain of next is found with "
                 "the same question") {
  add(1, 100, 7);
  add(2, 101, 1, "y");
  auto work = flush_of(row, data);
  result = run(work);
  judge_missing_parents(*conn, result, work);
  REQUIRE(result.missing.size() == 2);
  CHECK(result.missing[0].block == 1);
  CHECK(result.missing[0].at == offset{100});
  CHECK(result.missing[1].block == 2);
  CHECK(result.missing[1].at == offset{101});
  CHECK(result.reason.ends_with(": children.children_version_fkey or "
                                "pairs.pairs_version_v_fkey"));
}

TEST_CASE_METHOD(fixture, "a key of several columns of a partition is compared "
                          "as a whole") {
  add(2, 100, 1, "x");
  add(2, 101, 1, "y");
  add(2, 102, {}, "y");
  CHECK(missing(2) == offsets{101});
  CHECK(result.table == "pairs_1");
}

TEST_CASE_METHOD(fixture,
                 "where no parent is missing any more, nothing is said "
                 "about events") {
  add(1, 100, 7);
  before_asking = [this] {
    db.execute("INSERT INTO tenant_demo.accounts VALUES (7, 0, 'x')");
  };
  CHECK(missing(1).empty());
  CHECK(result.action == failure_action::bisect);
}

TEST_CASE_METHOD(fixture, "rows that are always made do not make their event "
                          "wait") {
  plan = made(true);
  add(1, 100, 7);
  CHECK(missing(1).empty());
  CHECK(result.action == failure_action::bisect);
}

TEST_CASE_METHOD(fixture, "more keys than a statement has parameters are asked "
                          "for in parts") {
  for (int64_t i = 0; i < 12'000; ++i)
    add(1, 100 + i, i % 2 == 0 ? 1 : 1'000 + i);
  CHECK(missing(1).size() == 6'000);
}
