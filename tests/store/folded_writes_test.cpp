// Updates and deletes folded into flushes, against PostgreSQL itself.

#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <atomic>
#include <format>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

/// A field of a tuple: NULL, a bigint, or a text.
struct cell {
  bool null = false;
  bool is_text = false;
  int64_t number = 0;
  std::string text = {};
};

cell number(int64_t x) {
  return {.number = x};
}

cell word(std::string x) {
  return {.is_text = true, .text = std::move(x)};
}

std::vector<std::byte> tuple_of(const std::vector<cell>& cells) {
  std::vector<std::byte> out;
  append_be(out, cells.size(), 2);
  for (const auto& x : cells) {
    if (x.null) {
      append_be(out, 0xffffffff, 4);
    } else if (x.is_text) {
      append_be(out, x.text.size(), 4);
      for (auto c : x.text)
        out.push_back(static_cast<std::byte>(c));
    } else {
      append_be(out, 8, 4);
      append_be(out, static_cast<uint64_t>(x.number), 8);
    }
  }
  return out;
}

std::string literal(const cell& x) {
  return x.null      ? "NULL"
         : x.is_text ? "'" + x.text + "'"
                     : std::to_string(x.number);
}

/// The writes into `folded`, whose key is (a, b).
const std::vector<write_target>& writes() {
  using enum write_method;
  auto to = [](write_method method, std::vector<std::string> columns) {
    return write_target{"tenant_demo",      "folded",   method,
                        std::move(columns), {"a", "b"}, {}};
  };
  static const std::vector<write_target> result{
    to(upsert, {"a", "b", "x", "z"}), to(update, {"a", "b", "y"}),
    to(update, {"y", "z", "b", "a"}), to(write_method::remove, {"b", "a"}),
    to(upsert, {"b", "a", "x", "y"})};
  return result;
}

struct operation {
  std::size_t member;
  std::vector<cell> cells;
  int64_t key;
};

struct fixture : store_fixture {
  fixture() {
    for (auto name : {"folded", "reference"})
      db.execute(std::string{"CREATE TABLE tenant_demo."} + name
                 + " (a bigint, b text, x bigint DEFAULT 7, y text DEFAULT "
                   "'yes', z bigint, PRIMARY KEY (a, b))");
    use(writes());
  }

  void use(const std::vector<write_target>& targets) {
    plan = make_write_plan("p", "demo", rows_of, targets);
    blocks = targets.size();
  }

  batch empty(int64_t from, int64_t to) const {
    auto result = batch_of(from, to);
    result.blocks.resize(blocks);
    return result;
  }

  std::string content(const std::string& table) const {
    return db.value("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text)"
                    ", '') FROM tenant_demo."
                    + table + " t");
  }

  flush_result commit(batch data) {
    auto result = run(flush_of(row, std::move(data)));
    INFO(result.message);
    REQUIRE(result.verdict == flush_verdict::committed);
    row = must(store().load({lane, false}));
    return result;
  }

  /// One row of a write at the next offset, committed on its own.
  flush_result one(std::size_t member, const std::vector<cell>& cells,
                   int64_t key = 1) {
    auto data = empty(next, next + 1);
    add_row(data.blocks[member], next++, tuple_of(cells), key);
    return commit(std::move(data));
  }

  std::size_t blocks = 0;
  int64_t next = 100;
  lane_row row = take();
};

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

operation any_operation(std::mt19937_64& chance) {
  operation result;
  result.member = chance() % writes().size();
  result.key = static_cast<int64_t>(chance() % 6);
  for (const auto& name : writes()[result.member].columns)
    if (name == "a")
      result.cells.push_back(number(result.key % 3));
    else if (name == "b")
      result.cells.push_back(word(result.key < 3 ? "" : "b"));
    else if (chance() % 4 == 0)
      result.cells.push_back({.null = true});
    else if (name == "y")
      result.cells.push_back(word(std::format("y{}", chance() % 100)));
    else
      result.cells.push_back(number(static_cast<int64_t>(chance() % 100)));
  return result;
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

namespace {

/// A flush of random writes to few keys of two tables, for a lane of its own.
flush any_flush(const store_fixture& fixture, const lane_row& row,
                const lane_id& lane, bool adds, int64_t from,
                std::mt19937_64& chance) {
  // Without updates and deletes there is one write per table.
  auto per_table = adds ? 1 : writes().size();
  auto data = fixture.batch_of(from, from + 40);
  data.lane = lane;
  data.blocks.resize(2 * per_table);
  for (int64_t at = from; at < from + 40; ++at) {
    auto x = any_operation(chance);
    while (adds && x.member != 0)
      x = any_operation(chance);
    // Many keys, so that writers meet in all ways.
    auto key = static_cast<int64_t>(chance() % 60);
    for (std::size_t i = 0; i < x.cells.size(); ++i) {
      const auto& name = writes()[x.member].columns[i];
      if (name == "a")
        x.cells[i] = number(key);
      else if (name == "b")
        x.cells[i] = word("b");
    }
    auto table = chance() % 2 * per_table;
    add_row(data.blocks[table + x.member], at, tuple_of(x.cells), key);
  }
  auto result = fixture.flush_of(row, std::move(data));
  result.claim.lane = lane;
  return result;
}

} // namespace

TEST_CASE_METHOD(fixture, "sixteen writers on the same rows of two tables "
                          "never deadlock") {
  constexpr int writers = 16;
  constexpr int flushes = 60;
  db.execute("CREATE TABLE tenant_demo.folded_too (LIKE tenant_demo.folded "
             "INCLUDING ALL)");
  auto targets = writes();
  for (auto x : writes()) {
    x.table = "folded_too";
    targets.push_back(x);
  }
  use(targets);
  auto both = std::vector{targets[0], targets[writes().size()]};
  auto upserts = make_write_plan("many", "demo", rows_of, both);
  auto boot = boot_of(2);
  boot.pipeline = "many";
  boot.lanes = writers;
  must(store().boot(boot));
  std::atomic<int> committed = 0;
  std::map<std::string, int> failures;
  std::mutex guard;
  auto write = [&](int32_t number) {
    std::mt19937_64 chance{static_cast<uint64_t>(number)};
    auto own = open();
    lane_store store{own, 5s};
    lane_id mine{"many", "demo", shard{number}};
    // Some only add rows, in the way of an upsert that is alone.
    auto adds = number % 4 == 0;
    auto current = must(store.takeover({mine, uuid::random(), "n"}));
    for (int i = 0; i < flushes; ++i) {
      auto work = any_flush(*this, current, mine, adds, 100 + 40 * i, chance);
      if (adds)
        work.plan = upserts;
      auto result = run(own, std::move(work));
      if (result.verdict != flush_verdict::committed) {
        std::lock_guard lock{guard};
        ++failures[result.sqlstate + ' ' + result.message];
        return;
      }
      ++committed;
      current = must(store.load({mine, false}));
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < writers; ++i)
      threads.emplace_back(write, i);
  }
  for (const auto& [text, count] : failures)
    UNSCOPED_INFO(text << ": " << count);
  CHECK(committed == writers * flushes);
}
