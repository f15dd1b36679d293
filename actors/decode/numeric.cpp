#include "actors/decode/numeric.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace millrace::detail {

namespace {

// PostgreSQL's limits: digits before the point (weights up to 32767, four
// digits each) and behind it (14 bits of display scale).
constexpr int64_t max_integer_digits = 131'072;
constexpr int64_t max_scale = 0x3fff;

// An exponent that PostgreSQL refuses to look at.
constexpr int64_t exponent_limit = std::numeric_limits<int32_t>::max() / 2;

/// Digits of a number without point and without leading zeros, in a buffer
/// with room for padding: the value is 0.d1d2d3… × 10^point.
struct digit_run {
  char* digits;
  int64_t count;
  int64_t point;
};

/// Rounds to `scale` digits behind the point, half away from zero. There is a
/// spare byte in front of the digits for the carry.
void round_to(digit_run& x, int64_t scale) noexcept {
  auto keep = x.point + scale;
  if (keep >= x.count)
    return;
  if (keep < 0) {
    x.count = 0;
    return;
  }
  auto carry = x.digits[keep] >= '5';
  x.count = keep;
  while (carry && keep > 0) {
    auto& digit = x.digits[--keep];
    carry = digit == '9';
    digit = carry ? '0' : static_cast<char>(digit + 1);
  }
  if (carry) {
    *--x.digits = '1';
    ++x.count;
    ++x.point;
  }
}

/// Eight decimal digits as two base-10000 digits, big endian, in the order of
/// memory. Pairs are multiplied inside one word (Lemire, "Quickly parsing
/// eight digits").
uint32_t two_groups(uint64_t x) noexcept {
  static_assert(std::endian::native == std::endian::little);
  x -= 0x3030303030303030;
  x = (x * 10 + (x >> 8)) & 0x00ff00ff00ff00ff;
  x = (x * 100 + (x >> 16)) & 0x0000ffff0000ffff;
  auto first = std::byteswap(static_cast<uint16_t>(x));
  auto second = std::byteswap(static_cast<uint16_t>(x >> 32));
  return uint32_t{first} | uint32_t{second} << 16;
}

uint64_t load_digits(const char* p) noexcept {
  uint64_t x = 0;
  std::memcpy(&x, p, 8);
  return x;
}

/// The common case, straight from the text: no exponent, at most four digits
/// before the point and none to round away.
void put_short(std::string_view integer, std::string_view fraction,
               bool negative, int64_t scale, output& out) {
  auto head = out.room(8 + 2 + fraction.size() + 8);
  auto first = head + 8;
  auto at = first;
  int64_t weight = -1;
  if (!integer.empty()) {
    int group = 0;
    for (auto c : integer)
      group = group * 10 + (c - '0');
    output::store_big(at, static_cast<int16_t>(group));
    at += 2;
    weight = 0;
  }
  for (std::size_t i = 0; i < fraction.size(); i += 8, at += 4) {
    auto digits = load_digits(fraction.data() + i);
    if (auto left = fraction.size() - i; left < 8) {
      // Zeros behind the last digit.
      constexpr uint64_t zeros = 0x3030303030303030;
      auto kept = ~uint64_t{0} >> (64 - 8 * left);
      digits = (digits & kept) | (zeros & ~kept);
    }
    auto pair = two_groups(digits);
    std::memcpy(at, &pair, 4);
  }
  while (at != first && at[-1] == 0 && at[-2] == 0)
    at -= 2;
  auto from = first;
  if (weight < 0)
    for (; from != at && from[0] == 0 && from[1] == 0; from += 2)
      --weight;
  auto size = static_cast<std::size_t>(at - from);
  if (from != first)
    std::memmove(first, from, size);
  auto is_zero = size == 0;
  output::store_big(head, static_cast<int16_t>(size / 2));
  output::store_big(head + 2, static_cast<int16_t>(is_zero ? 0 : weight));
  output::store_big(head + 4,
                    static_cast<int16_t>(negative && !is_zero ? 0x4000 : 0));
  output::store_big(head + 6, static_cast<int16_t>(scale));
  out.advance(8 + size);
}

} // namespace

numeric_limits numeric_limits::from_typmod(int32_t typmod) noexcept {
  if (typmod < 4)
    return {};
  // VARHDRSZ is added to every modifier; the scale has 11 bits with sign.
  auto packed = typmod - 4;
  return {packed >> 16, ((packed & 0x7ff) ^ 1024) - 1024};
}

bool put_numeric(const decimal_text& x, numeric_limits limits, output& out) {
  if (x.exponent > exponent_limit || x.exponent < -exponent_limit)
    return false;
  auto integer = x.integer;
  auto fraction = x.fraction;
  while (!integer.empty() && integer.front() == '0')
    integer.remove_prefix(1);
  auto digits_behind = static_cast<int64_t>(fraction.size());
  if (x.padded && x.exponent == 0 && integer.size() <= 4
      && digits_behind <= max_scale) {
    if (limits.precision == 0) {
      put_short(integer, fraction, x.negative, digits_behind, out);
      return true;
    }
    if (digits_behind <= limits.scale
        && static_cast<int64_t>(integer.size())
             <= limits.precision - limits.scale) {
      put_short(integer, fraction, x.negative, limits.scale, out);
      return true;
    }
  }
  auto sent_scale = std::max<int64_t>(0, digits_behind - x.exponent);
  digit_run run{nullptr, 0, static_cast<int64_t>(integer.size()) + x.exponent};
  if (integer.empty())
    while (!fraction.empty() && fraction.front() == '0') {
      fraction.remove_prefix(1);
      --run.point;
    }
  // The digits are gathered behind the place of the result, where the groups
  // never overtake them: a group is shorter than the digits it stands for.
  auto total = integer.size() + fraction.size();
  auto head = out.room(8 + 24 + total);
  run.digits = head + 8 + 8;
  if (!integer.empty())
    std::memcpy(run.digits, integer.data(), integer.size());
  if (!fraction.empty())
    std::memcpy(run.digits + integer.size(), fraction.data(), fraction.size());
  run.count = static_cast<int64_t>(total);
  auto scale = sent_scale;
  if (limits.precision > 0) {
    round_to(run, limits.scale);
    scale = std::max(0, limits.scale);
  }
  while (run.count > 0 && run.digits[run.count - 1] == '0')
    --run.count;
  if (scale > max_scale)
    return false;
  if (run.count == 0) {
    std::memset(head, 0, 8);
    output::store_big(head + 6, static_cast<int16_t>(scale));
    out.advance(8);
    return true;
  }
  auto limit = limits.precision > 0 ? int64_t{limits.precision} - limits.scale
                                    : max_integer_digits;
  if (run.point > limit || run.point > max_integer_digits)
    return false;
  // Pad to whole groups around the point.
  auto lead = ((-run.point) % 4 + 4) % 4;
  run.digits -= lead;
  std::memset(run.digits, '0', static_cast<std::size_t>(lead));
  run.count += lead;
  run.point += lead;
  std::memset(run.digits + run.count, '0', 8);
  auto groups = (run.count + 3) / 4;
  output::store_big(head, static_cast<int16_t>(groups));
  output::store_big(head + 2, static_cast<int16_t>(run.point / 4 - 1));
  output::store_big(head + 4, static_cast<int16_t>(x.negative ? 0x4000 : 0));
  output::store_big(head + 6, static_cast<int16_t>(scale));
  auto at = head + 8;
  for (int64_t i = 0; i < groups; i += 2, at += 4) {
    auto pair = two_groups(load_digits(run.digits + i * 4));
    std::memcpy(at, &pair, 4);
  }
  out.advance(static_cast<std::size_t>(8 + 2 * groups));
  return true;
}

bool to_integer(const decimal_text& x, int64_t low, int64_t high,
                int64_t& out) noexcept {
  auto integer = x.integer;
  while (!integer.empty() && integer.front() == '0')
    integer.remove_prefix(1);
  // Collects -|x|: that range is the larger one.
  int64_t result = 0;
  auto push = [&result](char c) {
    return !__builtin_mul_overflow(result, 10, &result)
           && !__builtin_sub_overflow(result, c - '0', &result);
  };
  if (x.fraction.empty() && x.exponent == 0) {
    if (integer.size() > 19)
      return false;
    for (auto c : integer)
      if (!push(c))
        return false;
  } else {
    // Digits before the shifted point count; those behind it must be zeros.
    auto size = static_cast<int64_t>(integer.size());
    auto total = size + static_cast<int64_t>(x.fraction.size());
    auto digit = [&](int64_t i) {
      return i < size ? integer[static_cast<std::size_t>(i)]
                      : x.fraction[static_cast<std::size_t>(i - size)];
    };
    auto point = size + x.exponent;
    for (int64_t i = std::max<int64_t>(0, point); i < total; ++i)
      if (digit(i) != '0')
        return false;
    for (int64_t i = 0; i < std::min(point, total); ++i)
      if (!push(digit(i)))
        return false;
    for (int64_t i = total; i < point && result != 0; ++i)
      if (!push('0'))
        return false;
  }
  if (!x.negative && __builtin_sub_overflow(int64_t{0}, result, &result))
    return false;
  if (result < low || result > high)
    return false;
  out = result;
  return true;
}

} // namespace millrace::detail
