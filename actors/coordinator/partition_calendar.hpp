#pragma once

#include "config/pipeline.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// A value of a partition key: milliseconds since 1970. For keys without a time
/// zone (timestamp, date) they are those of the clock on the wall.
using partition_time = std::chrono::time_point<std::chrono::system_clock,
                                               std::chrono::milliseconds>;

/// Half open.
struct partition_period {
  partition_time from;
  partition_time to;

  friend bool operator==(const partition_period&, const partition_period&)
    = default;
};

/// What a table is partitioned by: hours, days, weeks (from Monday on) or
/// months, in the order of the time zone or of the wall. Pure.
///
/// Periods are contiguous, whatever the zone's clocks do: a day may have 23 or
/// 25 hours, begin at one o'clock, or be missing.
class partition_calendar {
public:
  /// `zone` is a name of the IANA database; empty: the wall. Throws
  /// std::runtime_error when it is not known.
  partition_calendar(partition_every every, std::string_view zone);

  /// The period that holds the time.
  partition_period around(partition_time x) const;

  /// The template with the period's date filled in: `{table}`, and of its
  /// beginning `{YYYY}`, `{MM}`, `{DD}`, `{HH}`.
  std::string name(std::string_view pattern, std::string_view table,
                   const partition_period& x) const;

  /// What the wall shows in that zone; the same time when there is no zone.
  static partition_time on_the_wall(partition_time x, std::string_view zone);

private:
  using wall_time = std::chrono::local_time<std::chrono::milliseconds>;

  wall_time to_wall(partition_time x) const;
  partition_time from_wall(wall_time x) const;

  /// The first moment of the period, as the wall shows it.
  wall_time label(wall_time x) const;
  wall_time next_label(wall_time x) const;

  partition_every every_;
  const std::chrono::time_zone* zone_ = nullptr;
};

/// `{table}_{YYYY}_{MM}_{DD}` and so on: names as people know them.
std::string_view default_partition_name(partition_every every);

/// `2026-01-31 13:00:00`, with milliseconds where there are some.
std::string wall_text(partition_time x);

} // namespace millrace
