#include "tests/checker/fold.hpp"

#include "tests/checker/json_scan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <format>

namespace millrace_check {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Limits of PostgreSQL's numeric.
constexpr std::size_t max_digits_before = 131'072;
constexpr std::size_t max_digits_after = 16'383;

/// As COPY's text format writes a text.
void put_text(std::string& out, std::string_view text) {
  constexpr std::string_view from = "\b\f\n\r\t\v\\";
  constexpr std::string_view to = "bfnrtv\\";
  auto plain = [](char c) { return c != '\\' && (c < '\b' || c > '\r'); };
  if (std::ranges::all_of(text, plain)) {
    out += text;
    return;
  }
  for (char c : text) {
    auto which = from.find(c);
    if (which == std::string_view::npos) {
      out += c;
    } else {
      out += '\\';
      out += to[which];
    }
  }
}

/// Digits that PostgreSQL prints as they are: no exponent, no sign, no zero in
/// front but the one before a point. Most prices.
bool is_plain_number(std::string_view digits) {
  if (digits.empty() || !is_digit(digits[0]))
    return false;
  auto before = std::min(digits.find('.'), digits.size());
  if (digits[0] == '0' && before != 1)
    return false;
  if (before == digits.size())
    return std::ranges::all_of(digits, is_digit);
  return before + 1 < digits.size()
         && std::ranges::all_of(digits.substr(0, before), is_digit)
         && std::ranges::all_of(digits.substr(before + 1), is_digit);
}

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(utf8, [](char c) {
    return (static_cast<uint8_t>(c) & 0xc0) != 0x80;
  }));
}

/// Builds one row, column after column, or finds why there is none.
class row_builder {
public:
  explicit row_builder(const std::vector<json_member>& members)
    : members_{members} {
  }

  /// The member's raw JSON; nothing when it is missing or null. Of repeated
  /// names the last one counts.
  std::optional<std::string_view> raw(std::string_view name) const {
    auto same = [&](const json_member& x) { return x.name == name; };
    auto i = std::find_if(members_.rbegin(), members_.rend(), same);
    if (i == members_.rend() || i->raw == "null")
      return std::nullopt;
    return i->raw;
  }

  void add(std::string_view text) {
    if (!row_.empty())
      row_ += '\t';
    put_text(row_, text);
  }

  void add_null() {
    row_ += "\t\\N";
  }

  void add_numeric(std::string_view name, bool required) {
    auto value = raw(name);
    if (!value)
      return required ? fail(name, "missing") : add_null();
    auto digits = value->starts_with('"') ? unescape(*value)
                                          : std::string{*value};
    auto text = numeric_text(digits);
    if (!text)
      return fail(name, "not a number");
    add(*text);
  }

  void add_optional_text(std::string_view name) {
    auto value = raw(name);
    if (!value)
      return add_null();
    if (value->starts_with('{') || value->starts_with('['))
      return fail(name, "not a text");
    auto text = value->starts_with('"') ? unescape(*value)
                                        : std::string{*value};
    if (text.contains('\0'))
      return fail(name, "contains a zero character");
    add(text);
  }

  void fail(std::string_view name, std::string_view why) {
    if (reason_.empty())
      reason_ = std::format("{}: {}", name, why);
  }

  expectation finish() && {
    if (!reason_.empty())
      row_.clear();
    return {std::move(row_), std::move(reason_)};
  }

private:
  const std::vector<json_member>& members_;
  std::string row_;
  std::string reason_;
};

} // namespace

expectation fold_tick(std::optional<std::string_view> value,
                      const code_table& symbols) {
  if (!value)
    return {{}, "null value"};
  auto members = scan_object(*value);
  if (!members)
    return {{}, members.error()};
  row_builder row{*members};
  auto symbol = row.raw("symbol");
  if (!symbol || !symbol->starts_with('"'))
    return {{}, "symbol: missing or not a text"};
  auto name = unescape(*symbol);
  auto id = symbols.find(name);
  if (id == symbols.end())
    return {{}, "symbol: not in the code table"};
  if (count_characters(name) > 50)
    return {{}, "symbol: too long"};
  row.add(std::to_string(id->second));
  row.add(name);
  auto time = row.raw("timestamp");
  auto text = time && time->starts_with('"') ? timestamp_text(unescape(*time))
                                             : std::nullopt;
  if (text)
    row.add(*text);
  else
    row.fail("timestamp", "missing or not a time");
  row.add_numeric("bid", true);
  row.add_numeric("ask", true);
  row.add_numeric("spread", false);
  row.add_numeric("bid_size", false);
  row.add_numeric("ask_size", false);
  row.add_optional_text("lp");
  row.add_optional_text("broker_id");
  return std::move(row).finish();
}

std::optional<std::string> numeric_text(std::string_view digits) {
  constexpr std::size_t never_too_long = 1000;
  if (digits.size() < never_too_long && is_plain_number(digits))
    return std::string{digits};
  bool negative = false;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    negative = digits.front() == '-';
    digits.remove_prefix(1);
  }
  std::string before;
  std::string after;
  std::size_t i = 0;
  for (; i < digits.size() && is_digit(digits[i]); ++i)
    before += digits[i];
  if (i < digits.size() && digits[i] == '.')
    for (++i; i < digits.size() && is_digit(digits[i]); ++i)
      after += digits[i];
  if (before.empty() && after.empty())
    return std::nullopt;
  int64_t exponent = 0;
  if (i < digits.size() && (digits[i] == 'e' || digits[i] == 'E')) {
    auto rest = digits.substr(i + 1);
    if (rest.starts_with('+'))
      rest.remove_prefix(1);
    auto [stop, code] = std::from_chars(rest.data(), rest.data() + rest.size(),
                                        exponent);
    if (code != std::errc{} || rest.empty() || std::abs(exponent) > 200'000)
      return std::nullopt;
    i = static_cast<std::size_t>(stop - digits.data());
  }
  if (i != digits.size())
    return std::nullopt;
  // Move the point; PostgreSQL keeps as many places as were sent, less the
  // exponent.
  for (; exponent > 0; --exponent) {
    before += after.empty() ? '0' : after.front();
    if (!after.empty())
      after.erase(0, 1);
  }
  for (; exponent < 0; ++exponent) {
    after.insert(0, 1, before.empty() ? '0' : before.back());
    if (!before.empty())
      before.pop_back();
  }
  before.erase(0, std::min(before.find_first_not_of('0'), before.size()));
  if (before.size() > max_digits_before || after.size() > max_digits_after)
    return std::nullopt;
  bool zero = before.empty()
              && after.find_first_not_of('0') == std::string::npos;
  std::string text = negative && !zero ? "-" : "";
  text += before.empty() ? "0" : before;
  if (!after.empty())
    text += '.' + after;
  return text;
}

namespace {

/// Two or four digits at a place of a text.
int number_at(std::string_view text, std::size_t at, std::size_t n, bool& ok) {
  int value = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    if (i >= text.size() || !is_digit(text[i])) {
      ok = false;
      return 0;
    }
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// `Z`, `+05:30`, `+0530`, `+05`, `+05:30:00` as seconds east of Greenwich.
std::optional<int> zone_seconds(std::string_view zone) {
  if (zone == "Z" || zone == "z")
    return 0;
  if (zone.empty() || (zone[0] != '+' && zone[0] != '-'))
    return std::nullopt;
  std::string digits;
  for (std::size_t i = 1; i < zone.size(); ++i)
    // A colon only between two pairs of digits.
    if (zone[i] != ':')
      digits += zone[i];
    else if (digits.empty() || digits.size() % 2 != 0 || zone[i - 1] == ':'
             || i + 1 == zone.size())
      return std::nullopt;
  if (digits.empty() || digits.size() > 6 || digits.size() % 2 != 0)
    return std::nullopt;
  digits.resize(6, '0');
  bool ok = true;
  int hours = number_at(digits, 0, 2, ok);
  int minutes = number_at(digits, 2, 2, ok);
  int seconds = number_at(digits, 4, 2, ok);
  if (!ok || hours > 15 || minutes > 59 || seconds > 59)
    return std::nullopt;
  return (zone[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

void put_number(std::string& out, int64_t number, std::size_t width,
                char after) {
  auto from = out.size();
  out.append(width, '0');
  for (auto i = from + width; i > from && number > 0; number /= 10)
    out[--i] = static_cast<char>('0' + number % 10);
  out += after;
}

} // namespace

std::optional<std::string> timestamp_text(std::string_view text) {
  bool ok = text.size() >= 17 && text[4] == '-' && text[7] == '-'
            && (text[10] == 'T' || text[10] == ' ' || text[10] == 't')
            && text[13] == ':';
  int year = number_at(text, 0, 4, ok);
  int month = number_at(text, 5, 2, ok);
  int day = number_at(text, 8, 2, ok);
  int hour = number_at(text, 11, 2, ok);
  int minute = number_at(text, 14, 2, ok);
  bool with_seconds = ok && text[16] == ':';
  int second = with_seconds ? number_at(text, 17, 2, ok) : 0;
  if (!ok || year < 1)
    return std::nullopt;
  auto rest = text.substr(with_seconds ? 19 : 16);
  int64_t micros = 0;
  if (with_seconds && rest.starts_with('.')) {
    auto end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (end < 2)
      return std::nullopt;
    // PostgreSQL reads the fraction as a double and rounds the product, half
    // to even (ParseFractionalSecond in its datetime.c).
    std::string fraction{rest.substr(0, end)};
    micros = std::lrint(std::strtod(fraction.c_str(), nullptr) * 1e6);
    rest.remove_prefix(end);
  }
  auto zone = zone_seconds(rest);
  std::chrono::year_month_day date{
    std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
    std::chrono::day{static_cast<unsigned>(day)}};
  // 24:00:00 is the next day, second 60 the next minute; nothing is later.
  auto of_day = (hour * 60 + minute) * 60 + second;
  if (!zone || !date.ok() || hour > 24 || minute > 59 || second > 60
      || of_day * int64_t{1'000'000} + micros > 86'400'000'000)
    return std::nullopt;
  auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  int64_t total = int64_t{days} * 86'400 + of_day - *zone;
  total += micros / 1'000'000;
  micros %= 1'000'000;
  // By hand: std::format's chrono takes longer than all the rest together.
  auto whole_days = total / 86'400 - (total % 86'400 < 0);
  auto in_day = total - whole_days * 86'400;
  std::chrono::year_month_day utc{
    std::chrono::sys_days{std::chrono::days{whole_days}}};
  std::string result;
  put_number(result, static_cast<int>(utc.year()), 4, '-');
  put_number(result, static_cast<unsigned>(utc.month()), 2, '-');
  put_number(result, static_cast<unsigned>(utc.day()), 2, ' ');
  put_number(result, in_day / 3600, 2, ':');
  put_number(result, in_day / 60 % 60, 2, ':');
  put_number(result, in_day % 60, 2, '.');
  put_number(result, micros, 6, '0');
  result.erase(result.find_last_not_of('0') + 1);
  if (result.ends_with('.'))
    result.pop_back();
  return result + "+00";
}

} // namespace millrace_check
