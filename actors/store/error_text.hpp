#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

/// libpq ends its messages with a line feed and indents further lines; logs
/// want one line, with its parts set apart by semicolons.
inline std::string one_line(const std::string& text) {
  std::string result;
  auto space = false;
  auto line = false;
  for (auto c : text) {
    line = line || c == '\n';
    space = space || c == '\n' || c == '\t' || c == '\r' || c == ' ';
    if (c == '\n' || c == '\t' || c == '\r' || c == ' ')
      continue;
    if (!result.empty()) {
      if (line && result.back() != ';')
        result += ';';
      if (space)
        result += ' ';
    }
    space = line = false;
    result += c;
  }
  return result;
}

/// The text with everything escaped that a terminal or a log must not see:
/// PostgreSQL repeats values in its messages as they are. At most `limit`
/// bytes, with an ellipsis where it is cut.
std::string harmless(std::string_view text, std::size_t limit);

} // namespace millrace
