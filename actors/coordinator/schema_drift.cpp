#include "actors/coordinator/schema_drift.hpp"

#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace millrace {

namespace {

/// Those that stand by themselves come before what belongs to a table.
using object_key = std::tuple<bool, std::string, std::string, std::string>;

object_key key_of(const schema_object& x) {
  return {!x.table.empty(), x.table, x.kind, x.name};
}

std::string label_of(const schema_object& x) {
  auto owner = x.table.empty() ? "" : x.table + '.';
  return x.kind + ' ' + owner + x.name;
}

using objects = std::map<object_key, const schema_object*>;

objects by_key(const std::vector<schema_object>& all) {
  objects result;
  for (const auto& x : all)
    result.emplace(key_of(x), &x);
  return result;
}

std::set<std::string> tables_of(const objects& all) {
  std::set<std::string> result;
  for (const auto& [key, x] : all)
    if (x->table.empty())
      result.insert(x->name);
  return result;
}

} // namespace

std::string to_string(drift_kind x) {
  switch (x) {
    case drift_kind::missing:
      return "missing";
    case drift_kind::foreign:
      return "foreign";
    case drift_kind::different:
      return "different";
  }
  return "different";
}

std::vector<schema_difference>
compare_schemas(const std::vector<schema_object>& expected,
                const std::vector<schema_object>& found) {
  auto wanted = by_key(expected);
  auto there = by_key(found);
  auto wanted_tables = tables_of(wanted);
  auto tables_there = tables_of(there);
  auto table_differs = [&](const schema_object& x) {
    return !x.table.empty()
           && wanted_tables.contains(x.table) != tables_there.contains(x.table);
  };
  auto every = wanted;
  every.insert(there.begin(), there.end());
  std::vector<schema_difference> result;
  for (const auto& [key, any] : every) {
    auto w = wanted.find(key);
    auto t = there.find(key);
    if (w == wanted.end()) {
      if (!table_differs(*any))
        result.push_back(
          {drift_kind::foreign, label_of(*any), {}, any->definition});
    } else if (t == there.end()) {
      if (!table_differs(*any))
        result.push_back(
          {drift_kind::missing, label_of(*any), any->definition, {}});
    } else if (w->second->definition != t->second->definition) {
      result.push_back({drift_kind::different, label_of(*any),
                        w->second->definition, t->second->definition});
    }
  }
  return result;
}

} // namespace millrace
