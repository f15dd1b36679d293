// Updates and deletes folded into flushes, against PostgreSQL itself.

#include "tests/store/folded_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <format>
#include <random>
#include <set>

using namespace millrace;
using namespace millrace::test;
using fixture = folded_fixture;

namespace {

/// The operation as a statement of its own, which yields a row if it found
/// one.
std::string statement(const operation& x) {
  const auto& target = writes()[x.member];
  std::string names, values, changes, where;
  for (std::size_t i = 0; i < x.cells.size(); ++i) {
    const auto& name = target.columns[i];
    auto value = literal(x.cells[i]);
    auto comma = i == 0 ? "" : ",";
    names += comma + name;
    values += comma + value;
    if (name == "a" || name == "b")
      where += (where.empty() ? "" : " AND ") + name + '=' + value;
    else
      changes += (changes.empty() ? "" : ",") + name + '=' + value;
  }
  switch (target.method) {
    case write_method::remove:
      return "DELETE FROM tenant_demo.reference WHERE " + where
             + " RETURNING 1";
    case write_method::update:
      return "UPDATE tenant_demo.reference SET " + changes + " WHERE " + where
             + " RETURNING 1";
    default:
      return "INSERT INTO tenant_demo.reference (" + names + ") VALUES ("
             + values + ") ON CONFLICT (a, b) DO UPDATE SET " + changes
             + " RETURNING 1";
  }
}

} // namespace

TEST_CASE_METHOD(fixture, "random writes leave the rows that statements one by "
                          "one leave, wherever flushes are cut") {
  std::mt19937_64 chance{GENERATE(range(1u, 6u))};
  for (int flush = 0; flush < 30; ++flush) {
    auto count = 1 + chance() % (flush % 3 == 0 ? 4 : 30);
    auto data = empty(next, next + static_cast<int64_t>(count));
    std::vector<std::set<int64_t>> missed(writes().size());
    for (std::size_t i = 0; i < count; ++i) {
      auto x = any_operation(chance);
      if (must(conn->query(statement(x))).rows.empty())
        missed[x.member].insert(x.key);
      add_row(data.blocks[x.member], next++, tuple_of(x.cells), x.key);
    }
    auto result = commit(std::move(data));
    REQUIRE(content("folded") == content("reference"));
    REQUIRE(result.not_found.size() == missed.size());
    for (std::size_t m = 0; m < missed.size(); ++m)
      REQUIRE(result.not_found[m] == static_cast<int64_t>(missed[m].size()));
  }
}

TEST_CASE_METHOD(fixture, "batches of several partitions and parts of batches "
                          "fold in the order of the flush") {
  auto first = empty(100, 103);
  add_row(first.blocks[0], 100,
          tuple_of({number(1), word("k"), number(1), number(1)}), 1);
  add_row(first.blocks[3], 101, tuple_of({word("k"), number(1)}), 1);
  add_row(first.blocks[0], 102,
          tuple_of({number(1), word("k"), number(2), number(2)}), 1);
  auto other = empty(100, 101);
  other.source.number = partition{1};
  add_row(other.blocks[1], 100, tuple_of({number(1), word("k"), word("new")}),
          1);
  auto work = flush_of(row, first);
  SECTION("all of it") {
  }
  SECTION("without what is durable") {
    work.sources[0].trim_below = offset{102};
    work.claim.ranges[0].first_event = offset{102};
  }
  work.sources.push_back({std::make_shared<const batch>(other), offset{100}});
  work.claim.ranges.push_back(
    {slot{1}, offset{100}, {offset{100}, offset{101}}, offset{100}});
  auto result = run(work);
  INFO(result.message);
  REQUIRE(result.verdict == flush_verdict::committed);
  CHECK(result.rows == 1);
  CHECK(content("folded") == "(1,k,2,new,2)");
}

TEST_CASE_METHOD(fixture, "a row that comes back after its delete has its "
                          "defaults again") {
  one(0, {number(1), word("k"), number(1), number(2)});
  one(1, {number(1), word("k"), word("set")});
  auto data = empty(next, next + 2);
  add_row(data.blocks[3], next++, tuple_of({word("k"), number(1)}), 1);
  add_row(data.blocks[0], next++,
          tuple_of({number(1), word("k"), number(5), number(6)}), 1);
  commit(std::move(data));
  CHECK(content("folded") == "(1,k,5,yes,6)");
}

TEST_CASE_METHOD(fixture, "the next upsert revives a row that was marked as "
                          "deleted") {
  db.execute("CREATE TABLE tenant_demo.soft (id bigint PRIMARY KEY, v bigint, "
             "deleted bigint)");
  using enum write_method;
  use({{"tenant_demo", "soft", upsert, {"id", "v", "deleted"}, {"id"}, {}},
       {"tenant_demo", "soft", update, {"id", "deleted"}, {"id"}, {}}});
  one(0, {number(1), number(5), {.null = true}});
  CHECK(one(1, {number(1), number(99)}).not_found
        == std::vector<int64_t>{0, 0});
  CHECK(content("soft") == "(1,5,99)");
  one(0, {number(1), number(6), {.null = true}});
  CHECK(content("soft") == "(1,6,)");
  CHECK(one(1, {number(2), number(99)}, 2).not_found
        == std::vector<int64_t>{0, 1});
  CHECK(content("soft") == "(1,6,)");
}

TEST_CASE_METHOD(fixture, "a guard decides among all rows since the last "
                          "delete, and a delete forgets it") {
  using enum write_method;
  use({{"tenant_demo",
        "newest",
        upsert,
        {"id", "version", "v"},
        {"id"},
        "version"},
       {"tenant_demo", "newest", write_method::remove, {"id"}, {"id"}, {}}});
  std::mt19937_64 chance{GENERATE(range(1u, 4u))};
  for (int flush = 0; flush < 20; ++flush) {
    auto count = static_cast<int64_t>(1 + chance() % 12);
    auto data = empty(next, next + count);
    for (int64_t i = 0; i < count; ++i) {
      auto id = static_cast<int64_t>(chance() % 4);
      auto version = static_cast<int64_t>(chance() % 6);
      auto v = std::to_string(next);
      if (chance() % 4 == 0) {
        add_row(data.blocks[1], next, tuple_of({number(id)}), id);
        must(conn->query("DELETE FROM tenant_demo.latest WHERE id = "
                         + std::to_string(id)));
      } else {
        auto value = version == 0 ? cell{.null = true} : number(version);
        add_row(data.blocks[0], next, tuple_of({number(id), value, word(v)}),
                id);
        must(conn->query(std::format(
          "INSERT INTO tenant_demo.latest AS t VALUES ({}, {}, '{}') ON "
          "CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, v = "
          "EXCLUDED.v WHERE coalesce(EXCLUDED.version, 0) > "
          "coalesce(t.version, 0)",
          id, literal(value), v)));
      }
      ++next;
    }
    commit(std::move(data));
    REQUIRE(content("newest") == content("latest"));
  }
}

TEST_CASE_METHOD(fixture, "a guarded update changes a row only when it is "
                          "newer, and finds it all the same") {
  using enum write_method;
  use({{"tenant_demo",
        "newest",
        update,
        {"id", "version", "v"},
        {"id"},
        "version"}});
  db.execute("INSERT INTO tenant_demo.newest VALUES (1, 5, 'old')");
  auto data = empty(100, 104);
  next = 104;
  add_row(data.blocks[0], 100, tuple_of({number(1), number(4), word("a")}), 1);
  add_row(data.blocks[0], 101, tuple_of({number(1), number(7), word("b")}), 1);
  add_row(data.blocks[0], 102, tuple_of({number(1), number(7), word("c")}), 1);
  add_row(data.blocks[0], 103, tuple_of({number(2), number(9), word("d")}), 2);
  CHECK(commit(std::move(data)).not_found == std::vector<int64_t>{1});
  CHECK(content("newest") == "(1,7,b)");
  CHECK(one(0, {number(1), number(6), word("e")}).not_found
        == std::vector<int64_t>{0});
  CHECK(content("newest") == "(1,7,b)");
}

TEST_CASE_METHOD(fixture, "rows in partitions are updated, deleted and made "
                          "again like any others") {
  db.execute("DROP TABLE tenant_demo.folded; CREATE TABLE tenant_demo.folded "
             "(a bigint, b text, x bigint DEFAULT 7, y text DEFAULT 'yes', z "
             "bigint, PRIMARY KEY (a, b)) PARTITION BY RANGE (a); CREATE TABLE "
             "tenant_demo.f_0 PARTITION OF tenant_demo.folded FOR VALUES FROM "
             "(0) TO (1); CREATE TABLE tenant_demo.f_1 PARTITION OF "
             "tenant_demo.folded FOR VALUES FROM (1) TO (9)");
  std::mt19937_64 chance{7};
  for (int flush = 0; flush < 20; ++flush) {
    auto data = empty(next, next + 20);
    for (int i = 0; i < 20; ++i) {
      auto x = any_operation(chance);
      must(conn->query(statement(x)));
      add_row(data.blocks[x.member], next++, tuple_of(x.cells), x.key);
    }
    commit(std::move(data));
    REQUIRE(content("folded") == content("reference"));
  }
}
