#include "actors/coordinator/partition_calendar.hpp"

#include <array>
#include <format>

namespace millrace {

namespace {

using namespace std::chrono;

partition_time as_time(local_time<milliseconds> x) {
  return partition_time{x.time_since_epoch()};
}

} // namespace

partition_calendar::partition_calendar(partition_every every,
                                       std::string_view zone)
  : every_{every} {
  // Hours of a zone would have one name twice a year.
  if (!zone.empty() && zone != "UTC" && every != partition_every::hour)
    zone_ = locate_zone(zone);
}

partition_calendar::wall_time
partition_calendar::to_wall(partition_time x) const {
  return zone_ ? zone_->to_local(x) : wall_time{x.time_since_epoch()};
}

partition_time partition_calendar::from_wall(wall_time x) const {
  // A midnight that is skipped is the moment of the change, and of one that
  // comes twice the first counts.
  return zone_ ? zone_->to_sys(x, choose::earliest) : as_time(x);
}

partition_calendar::wall_time partition_calendar::label(wall_time x) const {
  auto day = floor<days>(x);
  switch (every_) {
    case partition_every::hour:
      return floor<hours>(x);
    case partition_every::day:
      break;
    case partition_every::week:
      return day - (weekday{day} - Monday);
    case partition_every::month: {
      year_month_day date{day};
      return local_days{date.year() / date.month() / 1};
    }
  }
  return day;
}

partition_calendar::wall_time
partition_calendar::next_label(wall_time x) const {
  switch (every_) {
    case partition_every::hour:
      return x + hours{1};
    case partition_every::day:
      break;
    case partition_every::week:
      return x + days{7};
    case partition_every::month: {
      year_month_day date{floor<days>(x)};
      return local_days{(date.year() / date.month() + months{1}) / 1};
    }
  }
  return x + days{1};
}

partition_period partition_calendar::around(partition_time x) const {
  auto begin = label(to_wall(x));
  partition_period result{from_wall(begin), from_wall(next_label(begin))};
  // The hour before a midnight that comes twice belongs to the day before for
  // the second time: that day has begun with the first midnight.
  if (x >= result.to)
    return {result.to, from_wall(next_label(next_label(begin)))};
  return result;
}

std::string partition_calendar::name(std::string_view pattern,
                                     std::string_view table,
                                     const partition_period& x) const {
  auto begin = label(to_wall(x.from));
  year_month_day date{floor<days>(begin)};
  auto hour = duration_cast<hours>(begin - floor<days>(begin)).count();
  struct placeholder {
    std::string_view word;
    std::string text;
  };
  const std::array all{
    placeholder{"{table}", std::string{table}},
    placeholder{"{YYYY}", std::format("{:04}", static_cast<int>(date.year()))},
    placeholder{"{MM}",
                std::format("{:02}", static_cast<unsigned>(date.month()))},
    placeholder{"{DD}",
                std::format("{:02}", static_cast<unsigned>(date.day()))},
    placeholder{"{HH}", std::format("{:02}", hour)}};
  std::string result{pattern};
  for (const auto& [word, text] : all)
    for (auto at = result.find(word); at != std::string::npos;
         at = result.find(word, at + text.size()))
      result.replace(at, word.size(), text);
  return result;
}

partition_time partition_calendar::on_the_wall(partition_time x,
                                               std::string_view zone) {
  if (zone.empty() || zone == "UTC")
    return x;
  return as_time(locate_zone(zone)->to_local(x));
}

std::string_view default_partition_name(partition_every every) {
  switch (every) {
    case partition_every::hour:
      return "{table}_{YYYY}_{MM}_{DD}_{HH}";
    case partition_every::month:
      return "{table}_{YYYY}_{MM}";
    default:
      return "{table}_{YYYY}_{MM}_{DD}";
  }
}

std::string wall_text(partition_time x) {
  auto whole = floor<seconds>(x);
  return whole == x ? std::format("{:%Y-%m-%d %H:%M:%S}", whole)
                    : std::format("{:%Y-%m-%d %H:%M:%S}", x);
}

} // namespace millrace
