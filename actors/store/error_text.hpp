#pragma once

#include <string>

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

} // namespace millrace
