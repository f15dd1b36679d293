#pragma once

// Times as microseconds since 2000-01-01 in UTC, as PostgreSQL has them.

#include "actors/decode/datetime.hpp"
#include "actors/decode/decimal_text.hpp"

#include <cstddef>
#include <cstdint>

namespace millrace::detail {

/// Bytes that `write_moment` needs at most.
constexpr std::size_t max_moment = 40;

/// Writes `2026-01-19T11:51:51.894957Z`, without a fraction when that is zero,
/// and returns the size.
std::size_t write_moment(int64_t microseconds, char* to) noexcept;

/// The number times 10^power, rounded to a whole one, half away from zero.
/// False when it is out of range.
bool to_scaled_integer(const decimal_text& x, int64_t power,
                       int64_t& out) noexcept;

/// A time since 1970 in a unit of so many digits of a second. Nothing when
/// PostgreSQL has no such time.
bool from_epoch_units(const decimal_text& x, int digits,
                      int64_t& microseconds) noexcept;

/// The other way, rounded down. False when it is out of range.
bool to_epoch_units(int64_t microseconds, int digits, int64_t& out) noexcept;

/// Part of a time, by its number in `time_parts`. Seconds are whole, Monday is
/// day 1 of the week.
int64_t part_of(int64_t microseconds, int part) noexcept;

/// Days since 2000-01-01, rounded down.
int64_t days_of(int64_t microseconds) noexcept;

/// Microseconds since midnight.
int64_t time_of_day(int64_t microseconds) noexcept;

} // namespace millrace::detail
