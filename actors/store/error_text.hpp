#pragma once

#include <string>

namespace millrace {

/// libpq ends its messages with a line feed and indents further lines; logs
/// want one line.
inline std::string one_line(const std::string& text) {
  std::string result;
  for (auto c : text) {
    auto space = c == '\n' || c == '\t' || c == '\r' || c == ' ';
    if (!space)
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  }
  while (!result.empty() && result.back() == ' ')
    result.pop_back();
  return result;
}

} // namespace millrace
