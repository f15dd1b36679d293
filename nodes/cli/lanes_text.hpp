#pragma once

// How lanes, partitions and times are written on the command line. Pure.

#include "actors/store/lane_admin.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::cli {

/// Reads `pipeline/tenant/shard`.
std::optional<lane_id> parse_lane(std::string_view text);

/// Reads `pipeline/topic/partition`.
std::optional<partition_name> parse_partition(std::string_view text);

/// A time as RFC 3339, or a duration that means so long ago, such as `90m` or
/// `7d`. Milliseconds since 1970.
std::optional<int64_t> parse_time_ms(std::string_view text, int64_t now_ms);

/// `pipeline/topic/partition`.
std::string to_string(const partition_name& x);

/// The command that makes a halted lane go on.
std::string mend_command(const lane_status& x);

/// The same for a partition.
std::string mend_command(const halted_partition& x);

} // namespace millrace::cli
