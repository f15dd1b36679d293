#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// The bytes behind base64 of RFC 4648 with its padding; nothing when the text
/// is something else.
std::optional<std::string> from_base64(std::string_view text);

/// The same the other way.
std::string to_base64(std::string_view bytes);

} // namespace millrace
