#include "actors/decode/moment.hpp"

#include <cstdio>
#include <limits>

namespace millrace::detail {

namespace {

constexpr int64_t second_us = 1'000'000;
constexpr int64_t day_us = 86'400 * second_us;

/// 2000-01-01 in microseconds since 1970.
constexpr int64_t epoch_us = 946'684'800 * second_us;

/// Times that PostgreSQL stores: from 4713 BC to the year 294276.
constexpr int64_t first_us = -211'813'488'000'000'000;
constexpr int64_t end_us = 9'223'371'331'200'000'000;

struct civil_date {
  int64_t year = 0;
  int month = 0;
  int day = 0;
};

/// The algorithm is Howard Hinnant's civil_from_days.
civil_date civil_from_days(int64_t days) noexcept {
  days += 719'468 + 10'957;
  auto era = (days >= 0 ? days : days - 146'096) / 146'097;
  auto day_of_era = days - era * 146'097;
  auto year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524
                      - day_of_era / 146'096)
                     / 365;
  auto day_of_year
    = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  auto shifted = (5 * day_of_year + 2) / 153;
  auto day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  auto month = static_cast<int>(shifted + (shifted < 10 ? 3 : -9));
  return {year_of_era + era * 400 + (month <= 2), month, day};
}

int64_t floor_divide(int64_t x, int64_t by) noexcept {
  return x / by - (x % by < 0);
}

int64_t day_of_year(const civil_date& x) noexcept {
  constexpr int before[] = {0,   31,  59,  90,  120, 151,
                            181, 212, 243, 273, 304, 334};
  auto leap = x.year % 4 == 0 && (x.year % 100 != 0 || x.year % 400 == 0);
  return before[x.month - 1] + x.day + (leap && x.month > 2);
}

} // namespace

int64_t days_of(int64_t microseconds) noexcept {
  return floor_divide(microseconds, day_us);
}

int64_t time_of_day(int64_t microseconds) noexcept {
  return microseconds - days_of(microseconds) * day_us;
}

std::size_t write_moment(int64_t microseconds, char* to) noexcept {
  auto date = civil_from_days(days_of(microseconds));
  auto time = time_of_day(microseconds);
  auto seconds = static_cast<int>(time / second_us);
  auto size = std::snprintf(to, max_moment, "%04lld-%02d-%02dT%02d:%02d:%02d",
                            static_cast<long long>(date.year), date.month,
                            date.day, seconds / 3'600, seconds / 60 % 60,
                            seconds % 60);
  auto end = to + size;
  if (auto fraction = static_cast<int>(time % second_us); fraction > 0) {
    end += std::snprintf(end, 8, ".%06d", fraction);
    while (end[-1] == '0')
      --end;
  }
  *end++ = 'Z';
  return static_cast<std::size_t>(end - to);
}

bool to_scaled_integer(const decimal_text& x, int64_t power,
                       int64_t& out) noexcept {
  constexpr auto limit = std::numeric_limits<int64_t>::max();
  // Digits that stand before the point once it is moved.
  auto kept = static_cast<int64_t>(x.integer.size()) + x.exponent + power;
  auto all = static_cast<int64_t>(x.integer.size() + x.fraction.size());
  auto digit = [&](int64_t i) {
    auto size = static_cast<int64_t>(x.integer.size());
    return i < 0 || i >= all
             ? 0
             : (i < size ? x.integer[static_cast<std::size_t>(i)]
                         : x.fraction[static_cast<std::size_t>(i - size)])
                 - '0';
  };
  int64_t result = 0;
  for (int64_t i = 0; i < kept; ++i) {
    // Only zeros follow.
    if (i >= all && result == 0)
      break;
    auto next = digit(i);
    if (result > (limit - next) / 10)
      return false;
    result = result * 10 + next;
  }
  if (digit(kept) >= 5) {
    if (result == limit)
      return false;
    ++result;
  }
  out = x.negative ? -result : result;
  return true;
}

bool from_epoch_units(const decimal_text& x, int digits,
                      int64_t& microseconds) noexcept {
  int64_t since_1970 = 0;
  if (!to_scaled_integer(x, 6 - digits, since_1970)
      || since_1970 < first_us + epoch_us)
    return false;
  microseconds = since_1970 - epoch_us;
  return microseconds < end_us;
}

bool to_epoch_units(int64_t microseconds, int digits, int64_t& out) noexcept {
  if (microseconds > std::numeric_limits<int64_t>::max() - epoch_us)
    return false;
  out = microseconds + epoch_us;
  for (auto i = digits; i < 6; ++i)
    out = floor_divide(out, 10);
  if (digits <= 6)
    return true;
  return !__builtin_mul_overflow(out, int64_t{1'000}, &out);
}

int64_t part_of(int64_t microseconds, int part) noexcept {
  auto days = days_of(microseconds);
  auto date = civil_from_days(days);
  auto seconds = time_of_day(microseconds) / second_us;
  switch (part) {
    case 0:
      return date.year;
    case 1:
      return date.month;
    case 2:
      return date.day;
    case 3:
      return seconds / 3'600;
    case 4:
      return seconds / 60 % 60;
    case 5:
      return seconds % 60;
    case 6: {
      // 2000-01-01 was a Saturday.
      auto since_saturday = days - floor_divide(days, 7) * 7;
      return (since_saturday + 5) % 7 + 1;
    }
    default:
      return day_of_year(date);
  }
}

} // namespace millrace::detail
