#include "actors/decode/decimal_text.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace millrace::detail {

namespace {

bool is_digit(char c) noexcept {
  return static_cast<unsigned char>(c - '0') < 10;
}

std::string_view between(const char* from, const char* to) noexcept {
  return {from, static_cast<std::size_t>(to - from)};
}

/// Whether eight bytes are decimal digits.
bool eight_digits(const char* p) noexcept {
  uint64_t x = 0;
  std::memcpy(&x, p, 8);
  constexpr uint64_t high = 0xf0f0f0f0f0f0f0f0;
  return ((x & high) | (((x + 0x0606060606060606) & high) >> 4))
         == 0x3333333333333333;
}

/// Where a run of digits ends. Most often that is at `end`.
inline const char* digits_end(const char* p, const char* end) noexcept {
  if (end - p >= 8) {
    while (end - p >= 8 && eight_digits(p))
      p += 8;
    if (end - p < 8 && eight_digits(end - 8))
      return end;
  }
  while (p != end && is_digit(*p))
    ++p;
  return p;
}

/// The exponent behind an 'e'. Clamped: nothing beyond is of any use.
const char* parse_exponent(const char* p, const char* end,
                           int64_t& out) noexcept {
  auto negative = false;
  if (p != end && (*p == '+' || *p == '-'))
    negative = *p++ == '-';
  auto last = digits_end(p, end);
  if (last == p)
    return nullptr;
  int64_t result = 0;
  for (; p != last; ++p)
    if (result < 1'000'000'000'000)
      result = result * 10 + (*p - '0');
  out = negative ? -result : result;
  return last;
}

int64_t size_of(std::string_view x) noexcept {
  return static_cast<int64_t>(x.size());
}

/// The digit that stands for 10^power.
int digit(const decimal_text& x, int64_t power) noexcept {
  auto place = power - x.exponent;
  auto i = place >= 0 ? size_of(x.integer) - 1 - place : -1 - place;
  auto digits = place >= 0 ? x.integer : x.fraction;
  return i >= 0 && i < size_of(digits)
           ? digits[static_cast<std::size_t>(i)] - '0'
           : 0;
}

/// The power of the first digit that is not zero, or nothing for zero.
std::optional<int64_t> leading_power(const decimal_text& x) noexcept {
  auto i = x.integer.find_first_not_of('0');
  if (i != std::string_view::npos)
    return size_of(x.integer) - 1 - static_cast<int64_t>(i) + x.exponent;
  i = x.fraction.find_first_not_of('0');
  if (i != std::string_view::npos)
    return -1 - static_cast<int64_t>(i) + x.exponent;
  return std::nullopt;
}

std::strong_ordering compare_sizes(const decimal_text& a,
                                   const decimal_text& b) noexcept {
  auto first = leading_power(a);
  auto other = leading_power(b);
  if (first != other)
    return first <=> other; // nothing, that is zero, comes first
  if (!first)
    return std::strong_ordering::equal;
  auto last = std::min(a.exponent - size_of(a.fraction),
                       b.exponent - size_of(b.fraction));
  for (auto power = *first; power >= last; --power)
    if (auto x = digit(a, power) <=> digit(b, power); x != 0)
      return x;
  return std::strong_ordering::equal;
}

} // namespace

std::strong_ordering compare_decimals(const decimal_text& a,
                                      const decimal_text& b) noexcept {
  auto below = [](const decimal_text& x) {
    return x.negative && leading_power(x);
  };
  if (below(a) != below(b))
    return below(a) ? std::strong_ordering::less
                    : std::strong_ordering::greater;
  return below(a) ? compare_sizes(b, a) : compare_sizes(a, b);
}

bool parse_json_number(std::string_view text, decimal_text& out) noexcept {
  auto p = text.data();
  auto end = p + text.size();
  out.negative = p != end && *p == '-';
  p += out.negative;
  auto from = p;
  while (p != end && is_digit(*p))
    ++p;
  if (p == from || (*from == '0' && p - from > 1))
    return false;
  out.integer = between(from, p);
  out.fraction = {};
  out.exponent = 0;
  if (p != end && *p == '.') {
    from = ++p;
    p = digits_end(p, end);
    if (p == from)
      return false;
    out.fraction = between(from, p);
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    p = parse_exponent(p + 1, end, out.exponent);
    if (!p)
      return false;
  }
  return p == end;
}

bool parse_loose_number(std::string_view text, decimal_text& out) noexcept {
  auto p = text.data();
  auto end = p + text.size();
  out.negative = p != end && *p == '-';
  if (p != end && (*p == '-' || *p == '+'))
    ++p;
  auto from = p;
  p = digits_end(p, end);
  out.integer = between(from, p);
  out.fraction = {};
  out.exponent = 0;
  if (p != end && *p == '.') {
    from = ++p;
    p = digits_end(p, end);
    out.fraction = between(from, p);
  }
  if (out.integer.empty() && out.fraction.empty())
    return false;
  if (p != end && (*p == 'e' || *p == 'E')) {
    p = parse_exponent(p + 1, end, out.exponent);
    if (!p)
      return false;
  }
  return p == end;
}

} // namespace millrace::detail
