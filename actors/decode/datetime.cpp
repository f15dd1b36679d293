#include "actors/decode/datetime.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

namespace millrace::detail {

namespace {

constexpr int64_t second_us = 1'000'000;
constexpr int64_t day_us = 86'400 * second_us;

/// Days from 1970-01-01 to 2000-01-01.
constexpr int64_t epoch_days = 10'957;

/// First microsecond that PostgreSQL no longer stores: 294277-01-01.
constexpr int64_t end_of_time_us = 9'223'371'331'200'000'000;

constexpr complaint want_zoned
  = "a time with date and offset, such as 2026-01-19T17:21:51.5+05:30";
constexpr complaint want_plain
  = "a time with date, such as 2026-01-19T17:21:51.5";
constexpr complaint want_offset
  = "an offset (Z or +hh:mm) behind the time, because the column has a time "
    "zone";
constexpr complaint want_no_offset
  = "no offset other than Z behind the time, because the column has no time "
    "zone";
constexpr complaint want_real_date = "a date that exists";
constexpr complaint want_real_time = "a time of day that exists";
constexpr complaint want_known_year = "a time before the year 294277";

struct cursor {
  const char* p;
  const char* end;

  /// Exactly two digits, or -1.
  int two() noexcept {
    if (end - p < 2)
      return -1;
    auto tens = static_cast<unsigned char>(p[0] - '0');
    auto ones = static_cast<unsigned char>(p[1] - '0');
    if (tens > 9 || ones > 9)
      return -1;
    p += 2;
    return tens * 10 + ones;
  }

  bool take(char c) noexcept {
    if (p == end || *p != c)
      return false;
    ++p;
    return true;
  }

  bool at_digit() const noexcept {
    return p != end && static_cast<unsigned char>(*p - '0') < 10;
  }
};

/// Days since 2000-01-01 in the Gregorian calendar. The algorithm is Howard
/// Hinnant's days_from_civil.
int64_t days_from_civil(int64_t year, int month, int day) noexcept {
  year -= month <= 2;
  auto era = year / 400;
  auto year_of_era = year - era * 400;
  auto day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  auto day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100
                    + day_of_year;
  return era * 146'097 + day_of_era - 719'468 - epoch_days;
}

bool exists(int64_t year, int month, int day) noexcept {
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (year < 1 || month < 1 || month > 12 || day < 1)
    return false;
  auto leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= days[month - 1] + (leap && month == 2);
}

/// Reads YYYY-MM-DD; `wanted` is the complaint when it does not look so.
complaint date_part(cursor& c, complaint wanted, int64_t& days) noexcept {
  int64_t year = 0;
  auto from = c.p;
  while (c.at_digit() && c.p - from < 7)
    year = year * 10 + (*c.p++ - '0');
  if (c.p - from < 4 || c.p - from > 6 || !c.take('-'))
    return wanted;
  auto month = c.two();
  if (month < 0 || !c.take('-'))
    return wanted;
  auto day = c.two();
  if (day < 0)
    return wanted;
  if (!exists(year, month, day))
    return want_real_date;
  days = days_from_civil(year, month, day);
  return nullptr;
}

/// Microseconds of the digits in [p, end), the fraction of a second.
int64_t fraction_us(const char* p, const char* end) noexcept {
  auto size = end - p;
  if (size <= 6) {
    int64_t result = 0;
    for (int i = 0; i < 6; ++i)
      result = result * 10 + (i < size ? p[i] - '0' : 0);
    return result;
  }
  if (size <= 15) {
    // Both are exact doubles, so the quotient is what strtod would give.
    static constexpr double powers[] = {1e7,  1e8,  1e9,  1e10, 1e11,
                                        1e12, 1e13, 1e14, 1e15};
    int64_t digits = 0;
    for (; p != end; ++p)
      digits = digits * 10 + (*p - '0');
    auto fraction = static_cast<double>(digits) / powers[size - 7];
    return std::lrint(fraction * 1e6);
  }
  // from_chars rounds correctly, as strtod does; it wants the point.
  char text[64] = {'0', '.'};
  auto kept = size < 60 ? size : 60;
  std::memcpy(text + 2, p, static_cast<std::size_t>(kept));
  double fraction = 0;
  std::from_chars(text, text + 2 + kept, fraction);
  return std::lrint(fraction * 1e6);
}

/// Reads HH:MM[:SS[.digits]] as microseconds of the day.
complaint time_part(cursor& c, complaint wanted, int64_t& time) noexcept {
  auto hour = c.two();
  if (hour < 0 || !c.take(':'))
    return wanted;
  auto minute = c.two();
  if (minute < 0)
    return wanted;
  int second = 0;
  int64_t fraction = 0;
  if (c.take(':')) {
    second = c.two();
    if (second < 0)
      return wanted;
    if (c.take('.')) {
      auto from = c.p;
      while (c.at_digit())
        ++c.p;
      if (c.p == from)
        return wanted;
      fraction = fraction_us(from, c.p);
    }
  }
  time = (hour * 3600 + minute * 60 + second) * second_us + fraction;
  if (hour > 24 || minute > 59 || second > 60 || time > day_us)
    return want_real_time;
  return nullptr;
}

/// Reads Z or ±HH[[:]MM[[:]SS]] as seconds east of Greenwich.
bool offset_part(cursor& c, int64_t& offset) noexcept {
  offset = 0;
  if (c.take('Z') || c.take('z'))
    return true;
  auto west = c.p != c.end && *c.p == '-';
  if (!west && !(c.p != c.end && *c.p == '+'))
    return false;
  ++c.p;
  int64_t factor = 3600;
  for (auto limit : {15, 59, 59}) {
    auto part = c.two();
    if (part < 0 || part > limit)
      return false;
    offset += part * factor;
    factor /= 60;
    if (c.p == c.end)
      break;
    c.take(':');
  }
  if (west)
    offset = -offset;
  return true;
}

} // namespace

complaint parse_timestamp(std::string_view text, bool zoned,
                          int64_t& microseconds, date_cache& cache) noexcept {
  auto wanted = zoned ? want_zoned : want_plain;
  cursor c{text.data(), text.data() + text.size()};
  int64_t days = 0;
  if (text.size() > 10 && (text[10] == 'T' || text[10] == ' ')
      && std::memcmp(text.data(), cache.text, 10) == 0) {
    days = cache.days;
    c.p += 10;
  } else {
    if (auto wrong = date_part(c, wanted, days))
      return wrong;
    if (c.p - text.data() == 10) {
      std::memcpy(cache.text, text.data(), 10);
      cache.days = days;
    }
  }
  if (!c.take('T') && !c.take(' ') && !c.take('t'))
    return wanted;
  int64_t time = 0;
  if (auto wrong = time_part(c, wanted, time))
    return wrong;
  int64_t offset = 0;
  if (c.p == c.end) {
    if (zoned)
      return want_offset;
  } else {
    if (!offset_part(c, offset) || c.p != c.end)
      return wanted;
    if (!zoned && offset != 0)
      return want_no_offset;
  }
  // Later years may overflow 64 bits of microseconds.
  if (days > end_of_time_us / day_us + 1)
    return want_known_year;
  auto local = days * day_us + time - offset * second_us;
  if (local >= end_of_time_us)
    return want_known_year;
  microseconds = static_cast<int64_t>(local);
  return nullptr;
}

complaint parse_date(std::string_view text, int32_t& days) noexcept {
  constexpr complaint wanted = "a date such as 2026-01-19";
  cursor c{text.data(), text.data() + text.size()};
  int64_t result = 0;
  if (auto wrong = date_part(c, wanted, result))
    return wrong;
  if (c.p != c.end)
    return wanted;
  days = static_cast<int32_t>(result);
  return nullptr;
}

complaint parse_time_of_day(std::string_view text,
                            int64_t& microseconds) noexcept {
  constexpr complaint wanted = "a time of day such as 17:21:51.5";
  cursor c{text.data(), text.data() + text.size()};
  if (auto wrong = time_part(c, wanted, microseconds))
    return wrong;
  return c.p == c.end ? nullptr : wanted;
}

std::optional<int64_t> from_unix_ms(int64_t milliseconds) noexcept {
  // PostgreSQL begins in 4713 BC.
  constexpr int64_t first_ms = -210'866'803'200'000;
  constexpr int64_t last_ms = end_of_time_us / 1000 + epoch_days * 86'400'000;
  if (milliseconds < first_ms || milliseconds >= last_ms)
    return std::nullopt;
  return (milliseconds - epoch_days * 86'400'000) * 1000;
}

} // namespace millrace::detail
