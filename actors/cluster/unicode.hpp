#pragma once

// The little UTF-8 that escaping needs.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace {

/// One step through a text.
struct code_point {
  char32_t value = 0;

  /// Bytes it took: 1 to 4.
  std::size_t bytes = 1;

  /// False for a byte that starts no well-formed sequence (RFC 3629: no
  /// overlong forms, no surrogates, nothing above U+10FFFF).
  bool valid = false;
};

/// Reads the first code point. `text` must not be empty.
code_point next_code_point(std::string_view text);

/// Whether a terminal or a log reader could take it for something else than
/// text: C0 and C1 controls, DEL, line separators, direction and join marks,
/// invisible spaces, tags, non-characters.
bool is_hazardous(char32_t x);

} // namespace millrace
