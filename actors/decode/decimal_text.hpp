#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace millrace::detail {

/// A decimal number in text: [-]integer[.fraction][e exponent].
struct decimal_text {
  std::string_view integer;
  std::string_view fraction;
  int64_t exponent = 0;
  bool negative = false;

  /// The caller knows of eight readable bytes behind the text.
  bool padded = false;
};

/// Reads a number as JSON spells it. The whole text must be the number.
bool parse_json_number(std::string_view text, decimal_text& out) noexcept;

/// Reads a number as people spell it in strings: also with a leading plus or
/// zeros, without digits on one side of the point. No spaces.
bool parse_loose_number(std::string_view text, decimal_text& out) noexcept;

/// Compares the exact values: 1e1 is 10.00 is 010.
std::strong_ordering compare_decimals(const decimal_text& a,
                                      const decimal_text& b) noexcept;

} // namespace millrace::detail
