#pragma once

// Parts of reading a file that load.cpp has not room for.

#include "config/reader.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// An empty table.
extern const tree_node no_table;

/// The table of that name, or `&no_table`; adds a problem when something else
/// stands there.
const tree_node* table_in(reader& in, const tree_node& parent,
                          std::string_view key, const std::string& path);

/// The tables of a `[[list]]`; adds a problem for everything else.
std::vector<const tree_node*>
tables_in(reader& in, const tree_node& parent, std::string_view key,
          const std::string& path, const std::string& header);

/// The `[database.NAME]`, of which each takes from `[postgresql]`, as read
/// before, what it does not say itself.
void read_databases(reader& in, const tree_node& root, config& to);

/// The `[[pipeline.NAME.partition]]`, none or several.
std::vector<partition_config> read_partitions(reader& in, const tree_node& from,
                                              const std::string& path);

/// The `[[partition]]`, none or several, after the tenants.
void read_own_partitions(reader& in, const tree_node& root, config& to);

/// The `[[pipeline.NAME.series]]`, none or several.
std::vector<series_config> read_series(reader& in, const tree_node& from,
                                       const std::string& path);

/// Adds a problem for each of the tables that `known` has by now.
void check_named_once(reader& in, const std::vector<std::string>& tables,
                      std::set<std::string>& known, const std::string& path,
                      const source_position& at);

/// What stands beside a pack takes the place of what the pack says of the same
/// tables.
template <class Entry>
void override_tables(std::vector<Entry>& pack, std::vector<Entry> own) {
  for (const auto& mine : own)
    for (auto& x : pack)
      std::erase_if(x.tables, [&mine](const std::string& table) {
        return std::ranges::contains(mine.tables, table);
      });
  std::erase_if(pack, [](const Entry& x) { return x.tables.empty(); });
  std::ranges::move(own, std::back_inserter(pack));
}

/// The `[[tenant]]`, after the databases.
void read_tenants(reader& in, const tree_node& root, config& to);

/// The `[[migrations]]`, none or several, after tenants and pipelines.
void read_migrations(reader& in, const tree_node& root, config& to);

/// Adds a problem for each name that is no tenant's.
void check_tenants(reader& in, const config& all,
                   const std::vector<std::string>& names,
                   const source_position& at, const std::string& path);

/// Such a folder, absolute, whatever folder the process runs in; adds a problem
/// with the hint when it is not there. `path` is the option's.
std::string resolve_folder(reader& in, const std::string& given,
                           const source_position& at, const std::string& path,
                           const std::string& to_do);

} // namespace millrace
