#pragma once

// Bytes of bad inputs as text, and what of them must not be printed.

#include <optional>
#include <string>
#include <string_view>

namespace millrace::test {

/// Two digits a byte, in lower case.
std::string hex_of(std::string_view bytes);

/// The same; `null` where there are none.
std::string hex_or_null(const std::optional<std::string>& bytes);

/// What a terminal would act on, or hide; empty when there is nothing.
std::string hazards(std::string_view text);

} // namespace millrace::test
