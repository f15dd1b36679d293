#pragma once

#include <cstdint>
#include <string>

namespace millrace {

/// A place in a configuration file. Line and column count from 1, columns in
/// characters; 0 means that the place is not known.
struct source_position {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;

  friend bool operator==(const source_position&, const source_position&)
    = default;
};

/// `file:line:column`, without the parts that are not known.
std::string to_string(const source_position& x);

} // namespace millrace
