#pragma once

// Which tables grow with time, as the configuration declares them. Pure.

#include "config/config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// A table of one tenant that grows with time.
struct series_table {
  std::string tenant;
  std::string schema;
  std::string table;

  /// What a `[[pipeline.NAME.series]]` says of it, or nothing.
  series_config says;

  /// What a `[[pipeline.NAME.partition]]` says of it.
  std::optional<partition_config> rules;
};

/// `schema.table`, for people.
std::string to_string(const series_table& x);

/// Of the database's tenants, each table once, in the order of the
/// configuration. Of `tenant` alone unless that is empty.
std::vector<series_table> series_of(const config& all,
                                    const postgresql_config& database,
                                    std::string_view tenant);

/// A column as SQL of type timestamptz: the type is one of timestamptz,
/// timestamp (of UTC), date, and bigint (milliseconds since 1970), as
/// format_type() prints it. Nothing for any other type.
std::optional<std::string> time_expression(std::string_view column,
                                           std::string_view type);

} // namespace millrace::cli
