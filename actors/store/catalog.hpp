#pragma once

#include "actors/decode/table_schema.hpp"
#include "actors/store/connection.hpp"

#include <string>

namespace millrace {

/// Whether there is a relation of this name, which is quoted and has its
/// schema.
store_result<bool> has_relation(connection& conn, const std::string& name);

/// Reads a table's columns and unique keys from the catalog, in one statement
/// each. `misconfigured` when there is no such table, or when it is none that
/// rows can be copied into.
store_result<table_schema> read_table_schema(connection& conn,
                                             const std::string& schema,
                                             const std::string& table);

} // namespace millrace
