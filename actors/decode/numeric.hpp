#pragma once

// PostgreSQL's numeric, from decimal text to its binary form. Layout as in
// numeric_recv of PostgreSQL's numeric.c: int16 number of base-10000 digits,
// int16 weight, int16 sign, int16 display scale, then the digits.

#include "actors/decode/json_scan.hpp"
#include "actors/decode/output.hpp"

#include <cstdint>

namespace millrace::detail {

/// The modifier of a numeric column.
struct numeric_limits {
  /// Total digits; 0 when the column has no modifier.
  int precision = 0;

  /// Digits behind the point; may be negative, or above the precision.
  int scale = 0;

  static numeric_limits from_typmod(int32_t typmod) noexcept;
};

/// Appends the value (without its length) exactly as PostgreSQL's own input
/// would store it: without a modifier all digits as sent, else rounded to the
/// scale, half away from zero. False when it does not fit; then the output is
/// as before.
bool put_numeric(const decimal_text& x, numeric_limits limits, output& out);

/// Reads an integer if the number is one exactly (1.0 and 1e3 are) and lies
/// in [low, high].
bool to_integer(const decimal_text& x, int64_t low, int64_t high,
                int64_t& out) noexcept;

} // namespace millrace::detail
