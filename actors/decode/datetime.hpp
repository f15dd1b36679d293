#pragma once

// Dates and times from text to what PostgreSQL stores: microseconds, or days,
// since 2000-01-01.

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::detail {

/// How a timestamp's text was refused. The text is a static string that says
/// what was expected.
using complaint = const char*;

/// Remembers the last date: records that come together are of one day.
struct date_cache {
  char text[10] = {};
  int64_t days = 0;
};

/// Reads `YYYY-MM-DD(T| )HH:MM[:SS[.digits]][Z|±HH[[:]MM[[:]SS]]]`, years of
/// four to six digits. The fraction is rounded to microseconds as PostgreSQL
/// does it: as a double times 10^6, to the nearest, ties to even
/// (ParseFraction in datetime.c). As there, 24:00:00 is the next day and
/// second 60 the next minute.
///
/// With `zoned` the text must have an offset; without, it must have none or
/// that of UTC. Returns nullptr, or what was expected.
complaint parse_timestamp(std::string_view text, bool zoned,
                          int64_t& microseconds, date_cache& cache) noexcept;

/// Reads `YYYY-MM-DD`. Returns nullptr, or what was expected.
complaint parse_date(std::string_view text, int32_t& days) noexcept;

/// Reads `HH:MM[:SS[.digits]]` without an offset; 24:00:00 is the end of the
/// day. Returns nullptr, or what was expected.
complaint parse_time_of_day(std::string_view text,
                            int64_t& microseconds) noexcept;

/// Milliseconds since 1970 as microseconds since 2000, or nothing when that
/// is out of range.
std::optional<int64_t> from_unix_ms(int64_t milliseconds) noexcept;

} // namespace millrace::detail
