#pragma once

// Parts of reading a file that load.cpp has not room for.

#include "config/reader.hpp"

#include <string>
#include <string_view>
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

/// What stands beside a pack takes the place of what the pack says of the same
/// tables.
void override_partitions(std::vector<partition_config>& pack,
                         std::vector<partition_config> own);

/// The `[[pipeline.NAME.series]]`, none or several.
std::vector<series_config> read_series(reader& in, const tree_node& from,
                                       const std::string& path);

/// As with partitions.
void override_series(std::vector<series_config>& pack,
                     std::vector<series_config> own);

/// The `[[tenant]]`, after the databases.
void read_tenants(reader& in, const tree_node& root, config& to);

} // namespace millrace
