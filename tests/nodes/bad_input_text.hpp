#pragma once

// Bytes of bad inputs as text, and what of them must not be printed.

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::test {

/// Two digits a byte, in lower case.
std::string hex_of(std::string_view bytes);

/// The same; `null` where there are none.
std::string hex_or_null(const std::optional<std::string>& bytes);

/// Lines `name: value`, of what is too long to be shown its digest.
std::string short_text(const std::map<std::string, std::string>& x);

/// What a terminal would act on, or hide, but for line feeds, and what is no
/// UTF-8, each with its place; empty when there is nothing.
std::string hazards(std::string_view text);

/// Lines of a node's log in text form that do not begin as its lines do, as one
/// that a value has forged would not; empty when there are none.
std::string foreign_lines(std::string_view log);

} // namespace millrace::test
