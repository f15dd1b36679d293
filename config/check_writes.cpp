// Writes, each in itself and those of an event beside each other.

#include "config/checks.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <string_view>
#include <vector>

namespace millrace {

namespace {

/// So that a set of writes fits into an integer of a staging table.
constexpr std::size_t max_writes_per_table = 31;

bool has_column(const write_config& x, std::string_view name) {
  return std::ranges::find(x.columns, name, &column_config::name)
         != x.columns.end();
}

void add_no_such_column(reader& in, const write_config& x,
                        const std::string& name, const source_position& at,
                        const std::string& path) {
  std::vector<std::string> known;
  for (const auto& column : x.columns)
    known.push_back(column.name);
  auto near = closest(name, known);
  in.add(at, path, in_quotes(name), "one of the write's columns",
         near ? std::format("did you mean {}?", in_quotes(*near)) : "");
}

bool finds_rows(const write_config& x) {
  return x.kind != write_kind::append;
}

/// What kind and columns must be to each other.
void check_columns(reader& in, const write_config& x, const std::string& path) {
  auto beside_key = std::ranges::count_if(x.columns, [&x](const auto& column) {
    return std::ranges::find(x.key, column.name) == x.key.end();
  });
  auto columns_path = path + ".columns";
  auto at = in.where(columns_path, x.at);
  if (x.kind == write_kind::remove && beside_key > 0)
    in.add(at, columns_path, "columns beside the key",
           "the columns of key alone, for delete");
  if ((x.kind == write_kind::update || x.kind == write_kind::soft_delete)
      && beside_key == 0)
    in.add(at, columns_path, "the columns of key alone",
           std::format("a column to set, for {}", to_string(x.kind)));
}

void check_guard(reader& in, const write_config& x, const std::string& path) {
  auto guard_path = path + ".only_if_newer";
  auto at = in.where(guard_path, x.at);
  if (x.kind == write_kind::append)
    in.add(at, guard_path, "a version guard on append", "kind = \"upsert\"");
  else if (x.kind == write_kind::remove)
    in.add(at, guard_path, "a version guard on delete",
           "none: a row that is gone has no version to compare with");
  else if (!x.columns.empty() && !has_column(x, x.only_if_newer))
    add_no_such_column(in, x, x.only_if_newer, at, guard_path);
  else if (std::ranges::find(x.key, x.only_if_newer) != x.key.end())
    in.add(at, guard_path, in_quotes(x.only_if_newer),
           "a column that is not in key");
}

void check_missing(reader& in, const write_config& x, const std::string& path) {
  auto missing_path = path + ".on_missing";
  if (x.on_missing == missing_policy::ignore
      && (x.kind == write_kind::append || x.kind == write_kind::upsert))
    in.add(in.where(missing_path, x.at), missing_path,
           std::format("\"ignore\" on {}", to_string(x.kind)),
           "\"wait\" or \"reject\": a row whose foreign key is not met "
           "cannot be left out of its event");
  auto always_path = path + ".always";
  if (x.always && x.kind != write_kind::append)
    in.add(in.where(always_path, x.at), always_path,
           std::format("true on {}", to_string(x.kind)),
           "kind = \"append\": rows that are found by key have an order "
           "that this write would leave");
}

/// A write with its path.
struct located {
  const write_config* write;
  std::string path;
};

/// Several writes into one table, of which at least one is no append.
void check_beside(reader& in, const located& x, const located& first,
                  bool folded) {
  const auto& write = *x.write;
  if (!finds_rows(write)) {
    if (folded)
      in.add(in.where(x.path + ".kind", write.at), x.path + ".kind",
             "append beside writes that are folded by key into " + write.table,
             "another table: their order would be lost");
    return;
  }
  if (write.key != first.write->key) {
    auto key_path = x.path + ".key";
    in.add(in.where(key_path, write.at), key_path,
           "another key than " + first.path,
           "the same columns in the same order: writes into one table are "
           "folded by key");
  }
}

void check_table(reader& in, const std::vector<located>& writes) {
  auto first = std::ranges::find_if(writes, [](const located& x) {
    return finds_rows(*x.write);
  });
  if (first == writes.end())
    return;
  auto keyed = std::ranges::count_if(writes, [](const located& x) {
    return finds_rows(*x.write);
  });
  auto folded = keyed > 1 || first->write->kind != write_kind::upsert;
  for (const auto& x : writes)
    check_beside(in, x, *first, folded);
  for (const auto& x : writes) {
    auto rival = std::ranges::find_if(writes, [&x](const located& y) {
      return y.write != x.write && finds_rows(*y.write)
             && y.write->kind != write_kind::remove;
    });
    auto path = x.path + ".only_if_newer";
    if (!x.write->only_if_newer.empty() && finds_rows(*x.write)
        && rival != writes.end())
      in.add(in.where(path, x.write->at), path,
             "a version guard beside " + rival->path,
             "only deletes beside a guarded write: which of two writes wins "
             "would depend on where flushes are cut");
  }
  if (writes.size() > max_writes_per_table)
    in.add(writes.back().write->at, writes.back().path,
           std::format("{} writes into {}", writes.size(),
                       writes.back().write->table),
           std::format("at most {}", max_writes_per_table));
}

} // namespace

void check_write(reader& in, const write_config& x, const std::string& path) {
  auto key_path = path + ".key";
  if (finds_rows(x) && !in.given(key_path))
    in.add(x.at, key_path, "nothing",
           std::format("the columns that identify a row, for {}",
                       to_string(x.kind)));
  if (!x.only_if_newer.empty())
    check_guard(in, x, path);
  check_missing(in, x, path);
  if (x.columns.empty())
    return;
  auto whole = !x.key.empty();
  for (std::size_t i = 0; i < x.key.size(); ++i)
    if (auto item = std::format("{}[{}]", key_path, i);
        !has_column(x, x.key[i])) {
      whole = false;
      add_no_such_column(in, x, x.key[i], in.where(item, x.at), item);
    }
  if (whole)
    check_columns(in, x, path);
}

void check_writes(reader& in, const std::vector<event_config>& events,
                  const std::string& path) {
  std::map<std::string_view, std::vector<located>> tables;
  for (std::size_t i = 0; i < events.size(); ++i)
    for (std::size_t j = 0; j < events[i].writes.size(); ++j)
      tables[events[i].writes[j].table].push_back(
        {&events[i].writes[j], std::format("{}[{}].write[{}]", path, i, j)});
  for (const auto& [table, writes] : tables)
    if (!table.empty())
      check_table(in, writes);
}

} // namespace millrace
