// Writers that meet on the same rows, against PostgreSQL itself.

#include "tests/store/folded_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using fixture = folded_fixture;

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
