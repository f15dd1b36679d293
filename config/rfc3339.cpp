#include "config/rfc3339.hpp"

#include <array>
#include <chrono>

namespace millrace {

namespace {

/// Takes a text apart from the left. Once something was not there, `ok` stays
/// false and everything else reads as zero.
struct scanner {
  std::string_view text;
  bool ok = true;

  bool take_any(std::string_view set) noexcept {
    if (text.empty() || !set.contains(text.front()))
      return false;
    text.remove_prefix(1);
    return true;
  }

  void need_any(std::string_view set) noexcept {
    ok = take_any(set) && ok;
  }

  /// Exactly `n` digits.
  int need_number(std::size_t n) noexcept {
    int value = 0;
    for (; n > 0 && ok; --n) {
      ok = !text.empty() && text.front() >= '0' && text.front() <= '9';
      if (ok) {
        value = value * 10 + (text.front() - '0');
        text.remove_prefix(1);
      }
    }
    return ok ? value : 0;
  }

  /// A fraction of a second, at least one digit.
  int64_t need_fraction_ms() noexcept {
    std::size_t n = 0;
    int64_t ms = 0;
    for (; n < text.size() && text[n] >= '0' && text[n] <= '9'; ++n)
      if (n < 3)
        ms = ms * 10 + (text[n] - '0');
    ok = ok && n > 0;
    text.remove_prefix(n);
    for (; n < 3; ++n)
      ms *= 10;
    return ms;
  }

  int64_t need_offset_minutes() noexcept {
    if (take_any("Zz"))
      return 0;
    int sign = text.starts_with('-') ? -1 : 1;
    need_any("+-");
    int hours = need_number(2);
    need_any(":");
    int minutes = need_number(2);
    ok = ok && hours < 24 && minutes < 60;
    return sign * (hours * 60 + minutes);
  }
};

} // namespace

std::optional<int64_t> parse_rfc3339_ms(std::string_view text) noexcept {
  scanner in{text};
  int years = in.need_number(4);
  in.need_any("-");
  auto months = static_cast<unsigned>(in.need_number(2));
  in.need_any("-");
  auto days = static_cast<unsigned>(in.need_number(2));
  in.need_any("Tt ");
  int hours = in.need_number(2);
  in.need_any(":");
  int minutes = in.need_number(2);
  in.need_any(":");
  int seconds = in.need_number(2);
  int64_t ms = in.take_any(".") ? in.need_fraction_ms() : 0;
  int64_t offset_minutes = in.need_offset_minutes();
  using namespace std::chrono;
  year_month_day date{year{years}, month{months}, day{days}};
  // A leap second is the first of the next minute, as elsewhere in Unix.
  if (!in.ok || !in.text.empty() || !date.ok() || hours > 23 || minutes > 59
      || seconds > 60)
    return std::nullopt;
  int64_t total = sys_days{date}.time_since_epoch().count();
  total = total * 24 + hours;
  total = total * 60 + minutes - offset_minutes;
  return (total * 60 + seconds) * 1000 + ms;
}

} // namespace millrace
