#pragma once

// Text for people about bytes that may be anything.

#include "actors/decode/value.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::detail {

/// Longest reason of a reject, in bytes.
constexpr std::size_t max_reason = 300;

/// The text with everything escaped that a terminal or a log must not see:
/// control characters, directional marks and other invisible ones, bytes that
/// are not UTF-8. Cut at `limit` bytes, between characters, with an ellipsis.
std::string printable(std::string_view text, std::size_t limit);

/// A value as a reject's reason shows it, cut short.
std::string describe(const value& x);

} // namespace millrace::detail
