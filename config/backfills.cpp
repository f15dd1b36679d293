#include "config/backfills.hpp"

#include <algorithm>
#include <set>

namespace millrace {

namespace {

bool takes_any_order(const write_config& x) {
  return x.kind == write_kind::append
         || (x.kind == write_kind::upsert && !x.only_if_newer.empty());
}

} // namespace

std::vector<std::string> unknown_tables(const pipeline_config& x) {
  std::vector<std::string> result;
  auto written = written_tables(x);
  for (const auto& name : x.tables)
    if (!std::ranges::binary_search(written, name))
      result.push_back(name);
  return result;
}

std::vector<std::string> own_tables(const pipeline_config& x) {
  auto result = written_tables(x);
  if (!x.tables.empty())
    std::erase_if(result, [&x](const std::string& name) {
      return !std::ranges::contains(x.tables, name);
    });
  return result;
}

void keep_own_tables(pipeline_config& x) {
  if (x.tables.empty())
    return;
  for (auto& event : x.events)
    std::erase_if(event.writes, [&x](const write_config& write) {
      return !std::ranges::contains(x.tables, write.table);
    });
  x.partitions.clear();
  x.series.clear();
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

const partition_config* partition_rules(const config& all,
                                        const pipeline_config& x,
                                        const std::string& table) {
  for (const auto* from : {backfilled_by(all, x), &x}) {
    if (!from)
      continue;
    auto i = std::ranges::find_if(
      from->partitions, [&table](const partition_config& rules) {
        return std::ranges::contains(rules.tables, table);
      });
    if (i != from->partitions.end())
      return from->partitioning == partitioning_kind::hypertable ? nullptr
                                                                 : &*i;
  }
  return nullptr;
}

} // namespace millrace
