#pragma once

// The grammars of `start` and `start_offsets`. Pure functions.

#include "config/pipeline.hpp"

#include <optional>
#include <string_view>

namespace millrace {

/// `earliest`, `latest`, an RFC 3339 time from 1970 on, or `group:NAME` with a
/// name of at most 255 bytes without control characters.
std::optional<start_config> parse_start(std::string_view x);

/// `topic/partition=offset`, the numbers in digits alone.
std::optional<start_offset> parse_start_offset(std::string_view x);

} // namespace millrace
