#include "config/backfills.hpp"

#include <algorithm>
#include <format>
#include <set>

namespace millrace {

namespace {

/// Each write into the table, as text: what is the same makes the same rows.
std::vector<std::string> writes_into(const pipeline_config& x,
                                     const std::string& table) {
  std::vector<std::string> result;
  for (const auto& event : x.events)
    for (const auto& write : event.writes) {
      if (write.table != table)
        continue;
      auto text = std::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n", event.name,
                              to_string(write.kind), to_string(write.on),
                              write.only_if_newer, write.when.text,
                              write.each.text, write.always);
      for (const auto& key : write.key)
        text += key + '\n';
      std::vector<std::string> columns;
      for (const auto& column : write.columns)
        columns.push_back(column.name + '=' + column.value.text);
      std::ranges::sort(columns);
      for (const auto& column : columns)
        text += column + '\n';
      result.push_back(std::move(text));
    }
  std::ranges::sort(result);
  return result;
}

bool takes_any_order(const write_config& x) {
  return x.kind == write_kind::append
         || (x.kind == write_kind::upsert && !x.only_if_newer.empty());
}

} // namespace

std::vector<std::string> keep_own_tables(pipeline_config& x) {
  std::vector<std::string> unknown;
  if (x.tables.empty())
    return unknown;
  auto written = written_tables(x);
  for (const auto& name : x.tables)
    if (!std::ranges::binary_search(written, name))
      unknown.push_back(name);
  for (auto& event : x.events)
    std::erase_if(event.writes, [&x](const write_config& write) {
      return !std::ranges::contains(x.tables, write.table);
    });
  x.partitions.clear();
  x.series.clear();
  return unknown;
}

std::vector<std::string> written_tables(const pipeline_config& x) {
  std::set<std::string> result;
  for (const auto& event : x.events)
    for (const auto& write : event.writes)
      result.insert(write.table);
  return {result.begin(), result.end()};
}

const pipeline_config* backfilled_by(const config& all,
                                     const pipeline_config& x) {
  auto i = std::ranges::find(all.pipelines, x.backfills,
                             &pipeline_config::name);
  return x.backfills.empty() || i == all.pipelines.end() ? nullptr : &*i;
}

bool order_matters(const pipeline_config& backfill,
                   const pipeline_config& other) {
  auto tables = written_tables(backfill);
  for (const auto* pipeline : {&backfill, &other})
    for (const auto& event : pipeline->events)
      for (const auto& write : event.writes)
        if (std::ranges::binary_search(tables, write.table)
            && !takes_any_order(write))
          return true;
  return false;
}

std::string differing_table(const pipeline_config& backfill,
                            const pipeline_config& other) {
  for (const auto& table : written_tables(backfill)) {
    auto there = writes_into(other, table);
    if (!there.empty() && writes_into(backfill, table) != there)
      return table;
  }
  return {};
}

} // namespace millrace
