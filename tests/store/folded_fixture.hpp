#pragma once

#include "tests/store/store_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace millrace::test {

/// A field of a tuple: NULL, a bigint, or a text.
struct cell {
  bool null = false;
  bool is_text = false;
  int64_t number = 0;
  std::string text = {};
};

inline cell number(int64_t x) {
  return {.number = x};
}

inline cell word(std::string x) {
  return {.is_text = true, .text = std::move(x)};
}

inline std::vector<std::byte> tuple_of(const std::vector<cell>& cells) {
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

inline std::string literal(const cell& x) {
  return x.null      ? "NULL"
         : x.is_text ? "'" + x.text + "'"
                     : std::to_string(x.number);
}

/// The writes into `folded`, whose key is (a, b).
inline const std::vector<write_target>& writes() {
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

struct folded_fixture : store_fixture {
  folded_fixture() {
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

inline operation any_operation(std::mt19937_64& chance) {
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

} // namespace millrace::test
