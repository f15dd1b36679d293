#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace {

/// Milliseconds since 1970 of an RFC 3339 time (`T` or a space in the middle,
/// any offset or `Z`; digits beyond the millisecond are cut off), or nothing
/// when the text is not one.
std::optional<int64_t> parse_rfc3339_ms(std::string_view text) noexcept;

} // namespace millrace
