// Folding per key against writing one by one.

#include "actors/store/fold.hpp"
#include "actors/store/folded_rows.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>
#include <set>

using namespace millrace;

namespace {

constexpr auto upsert = write_method::upsert;
constexpr auto update = write_method::update;
constexpr auto append = write_method::append;
// `remove` is a function of C.
constexpr auto erase = write_method::remove;

/// Writes that share columns in all ways: columns 0 to 4, default -1.
struct pattern {
  write_method method;
  std::vector<int> columns;
};

const std::vector<pattern> patterns{{upsert, {0, 1}}, {update, {1, 2}},
                                    {update, {3}},    {erase, {}},
                                    {upsert, {0, 4}}, {erase, {}}};

std::vector<write_method> methods_of(const std::vector<pattern>& xs) {
  std::vector<write_method> result;
  for (const auto& x : xs)
    result.push_back(x.method);
  return result;
}

const auto methods = methods_of(patterns);

using columns = std::array<int64_t, 5>;
using content = std::map<uint64_t, columns>;

constexpr columns defaults{-1, -1, -1, -1, -1};

struct operation {
  std::size_t member;
  uint64_t key;
};

/// One write after the other. False when it finds no row.
bool apply(content& to, const operation& x, int64_t value) {
  const auto& how = patterns[x.member];
  if (how.method == erase)
    return to.erase(x.key) > 0;
  if (how.method == update && !to.contains(x.key))
    return false;
  auto& row = to.try_emplace(x.key, defaults).first->second;
  for (auto column : how.columns)
    row[static_cast<std::size_t>(column)] = value;
  return true;
}

/// The value of a column among some members' last rows.
std::optional<int64_t> latest(const key_fold& fold, std::size_t at,
                              member_set members, int column) {
  std::optional<int64_t> result;
  for (std::size_t m = 0; m < patterns.size(); ++m)
    if ((members >> m & 1) != 0
        && std::ranges::count(patterns[m].columns, column) > 0)
      result = std::max<int64_t>(result.value_or(-1), fold.last(at, m));
  return result;
}

void set(columns& to, const key_fold& fold, std::size_t at,
         member_set members) {
  for (int column = 0; column < 5; ++column)
    if (auto x = latest(fold, at, members, column))
      to[static_cast<std::size_t>(column)] = *x;
}

/// What `folded_op` promises.
void apply(content& to, uint64_t key, const key_fold& fold, std::size_t at) {
  auto x = fold.at(at);
  auto there = to.contains(key);
  switch (x.op) {
    case folded_op::update:
      if (there)
        set(to[key], fold, at, x.set);
      break;
    case folded_op::remove:
      to.erase(key);
      break;
    case folded_op::replace:
      to[key] = defaults;
      set(to[key], fold, at, x.fresh);
      break;
    case folded_op::upsert:
    case folded_op::amend:
      if (!there)
        to[key] = defaults;
      set(to[key], fold, at, there ? x.set : x.fresh);
  }
}

} // namespace

TEST_CASE("folded flushes leave the table that writing one by one leaves") {
  std::mt19937_64 chance{GENERATE(range(1u, 301u))};
  content one_by_one;
  content folded;
  for (int flush = 0; flush < 8; ++flush) {
    auto rows = 1 + chance() % 40;
    auto before = folded;
    key_fold fold{methods, false, rows};
    std::map<uint64_t, std::size_t> numbers;
    std::vector<std::set<uint64_t>> missed(patterns.size());
    // Values are row numbers, so that a value tells where it is from.
    for (std::size_t i = 0; i < rows; ++i) {
      operation x{chance() % patterns.size(), chance() % 5};
      numbers.try_emplace(x.key, numbers.size());
      fold.add(x.member, {7, x.key});
      if (!apply(one_by_one, x, static_cast<int64_t>(i)))
        missed[x.member].insert(x.key);
    }
    REQUIRE(fold.keys() == numbers.size());
    for (auto [key, at] : numbers)
      apply(folded, key, fold, at);
    REQUIRE(folded == one_by_one);
    for (std::size_t m = 0; m < patterns.size(); ++m) {
      auto found = fold.missed(m);
      for (auto [key, at] : numbers)
        if ((fold.at(at).probes >> m & 1) != 0 && !before.contains(key))
          ++found;
      REQUIRE(found == static_cast<int64_t>(missed[m].size()));
    }
  }
}

TEST_CASE("each key has one operation whatever came") {
  struct sample {
    std::vector<std::size_t> members;
    folded_op op;
    member_set set;
    member_set fresh;
    member_set probes;
    int64_t missed;
  };
  auto x = GENERATE(sample{{0}, folded_op::upsert, 1, 1, 0, 0},
                    sample{{0, 1}, folded_op::upsert, 3, 3, 0, 0},
                    sample{{1}, folded_op::update, 2, 0, 2, 0},
                    sample{{1, 2}, folded_op::update, 6, 0, 6, 0},
                    sample{{1, 0}, folded_op::amend, 3, 1, 2, 0},
                    sample{{1, 0, 1}, folded_op::amend, 3, 3, 2, 0},
                    sample{{3}, folded_op::remove, 0, 0, 8, 0},
                    sample{{0, 3}, folded_op::remove, 0, 0, 0, 0},
                    sample{{1, 3}, folded_op::remove, 0, 0, 10, 0},
                    sample{{3, 1}, folded_op::remove, 0, 0, 8, 1},
                    sample{{3, 3}, folded_op::remove, 0, 0, 0, 1},
                    sample{{3, 0}, folded_op::replace, 1, 1, 8, 0},
                    sample{{0, 3, 0, 2}, folded_op::replace, 5, 5, 0, 0},
                    sample{{3, 0, 3}, folded_op::remove, 0, 0, 8, 0});
  key_fold fold{methods, false, x.members.size()};
  for (auto member : x.members)
    fold.add(member, {});
  REQUIRE(fold.keys() == 1);
  auto found = fold.at(0);
  CHECK(found.op == x.op);
  CHECK(found.set == x.set);
  CHECK(found.fresh == x.fresh);
  CHECK(found.probes == x.probes);
  int64_t missed = 0;
  for (std::size_t m = 0; m < patterns.size(); ++m)
    missed += fold.missed(m);
  CHECK(missed == x.missed);
}

TEST_CASE("with a guard all rows since the last delete are kept") {
  std::vector guarded{upsert, erase};
  key_fold fold{guarded, true, 10};
  for (auto member : {0u, 0u, 1u, 0u, 0u, 0u})
    fold.add(member, {1, 1});
  fold.add(0, {2, 2});
  CHECK(fold.at(0).op == folded_op::replace);
  CHECK(fold.last(0, 0) == 5);
  CHECK(fold.previous(5) == 4);
  CHECK(fold.previous(4) == 3);
  CHECK(fold.previous(3) == key_fold::none);
  CHECK(fold.at(1).op == folded_op::upsert);
  CHECK(fold.last(1, 0) == 6);
  CHECK(fold.previous(6) == key_fold::none);
}

TEST_CASE("keys whose hashes share their low half are told apart") {
  key_fold fold{methods, false, 100};
  for (uint64_t i = 0; i < 100; ++i)
    fold.add(0, {i, 3});
  CHECK(fold.keys() == 100);
}

namespace {

write_target target(write_method method, std::vector<std::string> names,
                    std::string guard = {}, std::string table = "t") {
  return {"s",   std::move(table), method, std::move(names),
          {"k"}, std::move(guard)};
}

write_plan_ptr plan_of(const std::vector<write_target>& targets) {
  return make_write_plan("p", "t", shape{1}, targets);
}

} // namespace

TEST_CASE("an upsert that is alone in its table is not folded") {
  auto plan = plan_of({target(upsert, {"k", "a"}),
                       target(upsert, {"k", "a"}, "", "other"),
                       target(append, {"k"}, "", "log")});
  REQUIRE(plan->writes.size() == 3);
  for (const auto& x : plan->writes)
    CHECK_FALSE(x.folded);
}

TEST_CASE("writes into one table become one, in the place of their table") {
  auto plan = plan_of({target(erase, {"k"}), target(append, {"k"}, "", "z"),
                       target(upsert, {"k", "a"}),
                       target(update, {"b", "k"}, "", "a")});
  REQUIRE(plan->writes.size() == 3);
  CHECK(plan->writes[0].table == "\"s\".\"a\"");
  REQUIRE(plan->writes[1].folded);
  const auto& folded = *plan->writes[1].folded;
  CHECK(folded.methods == std::vector{erase, upsert});
  CHECK(folded.members[1].block == 2);
  CHECK(folded.columns == 2);
  CHECK(plan->writes[0].folded->insert == "");
}

TEST_CASE("writes into one table that have no clear meaning together are "
          "refused") {
  auto bad = [](std::vector<write_target> xs, const char* why) {
    CHECK_THROWS_WITH(plan_of(xs), Catch::Matchers::ContainsSubstring(why));
  };
  auto other = target(erase, {"k2"});
  other.key = {"k2"};
  bad({target(upsert, {"k", "a"}), other}, "same key");
  bad({target(append, {"k"}), target(erase, {"k"})}, "append beside");
  bad({target(erase, {"k", "a"})}, "other columns than its key");
  bad({target(update, {"k"})}, "no columns but its key");
  bad({target(erase, {"k", "v"}, "v")}, "other columns than its key");
  bad({target(erase, {"k"}, "k")}, "a delete with only_if_newer");
  bad({target(upsert, {"k", "v"}, "v"), target(update, {"k", "a"})},
      "only_if_newer beside");
  bad({target(upsert, {"k", "millrace_op"}), target(erase, {"k"})},
      "a name that the store needs");
  bad(std::vector(32, target(upsert, {"k", "a"})), "more than can be folded");
  CHECK_NOTHROW(
    plan_of({target(upsert, {"k", "v"}, "v"), target(erase, {"k"})}));
}

TEST_CASE("only the statements that a flush needs are sent") {
  auto plan = plan_of({target(upsert, {"k", "a"}), target(erase, {"k"}),
                       target(update, {"k", "b"})});
  const auto& folded = *plan->writes.front().folded;
  struct sample {
    std::vector<std::size_t> members;
    std::vector<std::string folded_write::*> statements;
  };
  auto x = GENERATE(
    sample{{}, {}}, sample{{0}, {&folded_write::insert}},
    sample{{0, 2}, {&folded_write::insert, &folded_write::extend}},
    sample{{1},
           {&folded_write::take, &folded_write::count_found,
            &folded_write::remove}},
    sample{{0, 1}, {&folded_write::take, &folded_write::remove}},
    sample{{2},
           {&folded_write::take, &folded_write::count_found,
            &folded_write::update}},
    sample{{1, 0},
           {&folded_write::take_and_insert, &folded_write::count_found,
            &folded_write::remove, &folded_write::replace}},
    sample{{2, 0},
           {&folded_write::take_and_insert, &folded_write::count_found,
            &folded_write::update}});
  auto data = std::make_shared<batch>();
  data->blocks.resize(3);
  int64_t at = 0;
  for (auto member : x.members) {
    auto& block = data->blocks[member];
    // Fields without a value: what they hold does not matter here.
    auto fields = member == 1 ? 1 : 2;
    block.bytes.push_back(std::byte{0});
    block.bytes.push_back(static_cast<std::byte>(fields));
    block.bytes.insert(block.bytes.end(), static_cast<std::size_t>(4 * fields),
                       std::byte{0xff});
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(at++);
    block.keys.push_back({});
  }
  flush work;
  work.sources = {{data, offset{0}}};
  folded_rows rows{work, plan->writes.front()};
  REQUIRE(rows.statements().size() == x.statements.size());
  for (std::size_t i = 0; i < x.statements.size(); ++i) {
    CHECK(*rows.statements()[i].sql == folded.*x.statements[i]);
    CHECK(*rows.statements()[i].sql != "");
  }
}

TEST_CASE(
  "a part of a batch folds only its own rows, and none of an event that "
  "was refused") {
  auto plan = plan_of({target(upsert, {"k", "a"}), target(erase, {"k"})});
  auto data = std::make_shared<batch>();
  data->blocks.resize(2);
  auto& block = data->blocks[1];
  for (int64_t at : {0, 1, 2, 2, 3, 4, 5}) {
    block.bytes.insert(block.bytes.end(), {std::byte{0}, std::byte{1}});
    block.bytes.insert(block.bytes.end(), 4, std::byte{0xff});
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(at);
    block.keys.push_back({0, block.row_ends.size()});
  }
  auto rows = [&](int64_t trim, int64_t keep, std::vector<int64_t> bad) {
    flush_source source{data, offset{trim}, offset{keep}};
    for (auto at : bad)
      source.refused.emplace_back().at = offset{at};
    flush work;
    work.sources.push_back(std::move(source));
    return folded_rows{work, plan->writes.front()}.data().rows;
  };
  CHECK(rows(0, 9, {}) == 7);
  CHECK(rows(1, 5, {}) == 5);
  CHECK(rows(1, 5, {2}) == 3);
  CHECK(rows(0, 9, {0, 5}) == 5);
  CHECK(rows(0, 3, {0, 1, 2}) == 0);
  CHECK(rows(5, 5, {}) == 0);
}
