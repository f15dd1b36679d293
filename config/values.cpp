#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <numeric>
#include <ranges>
#include <span>
#include <utility>

namespace millrace {

namespace {

using unit_table = std::span<const std::pair<std::string_view, int64_t>>;

constexpr std::array<std::pair<std::string_view, int64_t>, 4> duration_units{{
  {"ms", 1},
  {"s", 1'000},
  {"m", 60'000},
  {"h", 3'600'000},
}};

// Only read: ranges are shown in hours.
constexpr std::array<std::pair<std::string_view, int64_t>, 1> day_unit{{
  {"d", 86'400'000},
}};

// Binary units behind decimal ones: where both fit, a size is shown in the
// binary one.
constexpr std::array<std::pair<std::string_view, int64_t>, 7> size_units{{
  {"B", 1},
  {"KB", 1'000},
  {"MB", 1'000'000},
  {"GB", 1'000'000'000},
  {"KiB", 1 << 10},
  {"MiB", 1 << 20},
  {"GiB", 1 << 30},
}};

std::optional<int64_t> parse_number(std::string_view x) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(x.data(), x.data() + x.size(), number);
  if (error != std::errc{} || end != x.data() + x.size() || number < 0)
    return std::nullopt;
  return number;
}

std::optional<int64_t> parse_with_unit(std::string_view x, unit_table units) {
  auto digits = x.find_first_not_of("0123456789");
  if (digits == 0 || digits == x.npos)
    return std::nullopt;
  auto number = parse_number(x.substr(0, digits));
  auto i = std::ranges::find(units, x.substr(digits),
                             [](const auto& u) { return u.first; });
  int64_t result = 0;
  if (!number || i == units.end()
      || __builtin_mul_overflow(*number, i->second, &result))
    return std::nullopt;
  return result;
}

std::string format_with_unit(int64_t x, unit_table units) {
  for (const auto& [name, factor] : std::views::reverse(units))
    if (x != 0 && x % factor == 0)
      return std::format("{}{}", x / factor, name);
  return std::format("{}{}", x, units.front().first);
}

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool digit(char c) {
  return c >= '0' && c <= '9';
}

bool letter(char c) {
  return lower(c) || (c >= 'A' && c <= 'Z');
}

bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// Length of what begins here and could move a cursor or turn the direction
/// of writing: control characters, also C1, marks and embeddings. 0 if none.
std::size_t dangerous_bytes(std::string_view x) {
  auto at = [x](std::size_t i) {
    return i < x.size() ? static_cast<unsigned char>(x[i]) : 0U;
  };
  if (at(0) < 0x20 || at(0) == 0x7F)
    return 1;
  if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) < 0xA0)
    return 2;
  if (at(0) != 0xE2)
    return 0;
  auto marks = at(1) == 0x80
               && ((at(2) >= 0x8B && at(2) <= 0x8F)
                   || (at(2) >= 0xA8 && at(2) <= 0xAE));
  auto isolates = at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9;
  return marks || isolates ? 3 : 0;
}

bool name_within(std::string_view x, std::size_t most) {
  return !x.empty() && x.size() <= most && lower(x.front())
         && std::ranges::all_of(x, [](char c) {
              return lower(c) || digit(c) || c == '_';
            });
}

/// Edits to get from one word to the other; a swap of neighbours is one.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

bool is_port(std::string_view x) {
  auto port = parse_number(x);
  return port && *port >= 1 && *port <= 65535;
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
bool is_host_and_port(std::string_view x) {
  if (x.starts_with('[')) {
    auto end = x.find(']');
    if (end == x.npos || end == 1)
      return false;
    auto rest = x.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  auto colon = x.find(':');
  auto host = x.substr(0, colon);
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return letter(c) || digit(c) || c == '.' || c == '-' || c == '_';
  }) && (colon == x.npos || is_port(x.substr(colon + 1)));
}

/// What stands between `://` and the path, split at the last sign of user
/// and password. As libpq does it, they end at the first `@`.
std::pair<std::string_view, std::string_view>
split_authority(std::string_view url) {
  auto rest = url.substr(std::min(url.find("://") + 3, url.size()));
  auto end = rest.find_first_of("@/");
  if (end == rest.npos || rest[end] == '/')
    return {{}, rest.substr(0, rest.find_first_of("/?"))};
  auto behind = rest.substr(end + 1);
  return {rest.substr(0, end), behind.substr(0, behind.find_first_of("/?"))};
}

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view x) {
  if (auto number = parse_with_unit(x, duration_units))
    return std::chrono::milliseconds{*number};
  if (auto number = parse_with_unit(x, day_unit))
    return std::chrono::milliseconds{*number};
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds x) {
  return format_with_unit(x.count(), duration_units);
}

std::optional<int64_t> parse_size(std::string_view x) {
  return parse_with_unit(x, size_units);
}

std::string format_size(int64_t bytes) {
  return format_with_unit(bytes, size_units);
}

std::string printable(std::string_view x) {
  std::string result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (auto n = dangerous_bytes(x.substr(i)); n > 0) {
      for (; n > 0; --n, ++i)
        result += std::format("\\x{:02X}", static_cast<unsigned char>(x[i]));
      --i;
    } else {
      result += x[i];
    }
  }
  return result;
}

std::string in_quotes(std::string_view x) {
  constexpr std::size_t most = 60;
  auto cut = x.substr(0, most);
  // Not in the middle of a character.
  if (x.size() > most)
    while (!cut.empty() && (x[cut.size()] & 0xC0) == 0x80)
      cut.remove_suffix(1);
  std::string result = "\"";
  for (auto c : printable(cut)) {
    if (c == '"')
      result += '\\';
    result += c;
  }
  return result + (cut.size() < x.size() ? "…\"" : "\"");
}

std::string one_of(const std::vector<std::string>& names) {
  std::string result;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0)
      result += i + 1 == names.size() ? " or " : ", ";
    result += in_quotes(names[i]);
  }
  return result;
}

std::optional<std::string> closest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  std::optional<std::string> result;
  if (word.empty() || word.size() > 64)
    return result;
  // Longer words may hold more slips, but hardly in the first letter.
  auto limit = word.size() / 4 + 2;
  auto best = limit;
  for (const auto& x : candidates) {
    auto distance = edit_distance(word, x);
    auto prefix = std::min(word.size(), x.size()) >= 4
                  && (word.starts_with(x) || x.starts_with(word));
    if (prefix)
      distance = std::min(distance, limit - 1);
    else if (distance > 1 && !x.starts_with(word.front()))
      continue;
    if (distance < best && distance < word.size()) {
      best = distance;
      result = x;
    }
  }
  return result;
}

bool is_name(std::string_view x) {
  return name_within(x, 41);
}

bool is_pack_name(std::string_view x) {
  auto name = std::string{x};
  std::ranges::replace(name, '-', '_');
  return is_name(name);
}

bool is_event_type(std::string_view x) {
  return is_plain_text(x) && x.size() <= 100;
}

bool is_schema(std::string_view x) {
  return name_within(x, 48) && !x.starts_with("pg_") && x != "millrace"
         && x != "information_schema";
}

bool is_identifier(std::string_view x) {
  return is_plain_text(x) && x.size() <= 63 && !x.contains('.');
}

bool is_node_name(std::string_view x) {
  return !x.empty() && x.size() <= 64 && std::ranges::all_of(x, [](char c) {
    return letter(c) || digit(c) || c == '.' || c == '_' || c == '-';
  });
}

bool is_topic(std::string_view x) {
  return !x.empty() && x.size() <= 249 && x != "." && x != ".."
         && std::ranges::all_of(x, [](char c) {
              return letter(c) || digit(c) || c == '.' || c == '_' || c == '-';
            });
}

bool is_topic_or_pattern(std::string_view x) {
  return is_topic(x) || x.starts_with('^');
}

bool is_loopback(std::string_view x) {
  if (x == "localhost" || x == "::1")
    return true;
  auto parts = x | std::views::split('.');
  auto number_below_256 = [](auto&& part) {
    auto n = parse_number(std::string_view{part});
    return n && *n <= 255;
  };
  return x.starts_with("127.") && std::ranges::distance(parts) == 4
         && std::ranges::all_of(parts, number_below_256);
}

std::optional<host_and_port> parse_address(std::string_view x) {
  auto colon = x.rfind(':');
  if (colon == x.npos || x.contains(',') || !is_host_and_port(x))
    return std::nullopt;
  auto port = parse_number(x.substr(colon + 1));
  auto host = x.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.contains(':'))
    return std::nullopt;
  if (!port || *port < 1 || *port > 65'535 || host.empty())
    return std::nullopt;
  return host_and_port{std::string{host}, static_cast<uint16_t>(*port)};
}

bool is_address(std::string_view x) {
  return parse_address(x).has_value();
}

bool is_bootstrap(std::string_view x) {
  return !x.empty()
         && std::ranges::all_of(x | std::views::split(','), [](auto&& part) {
              return is_host_and_port(std::string_view{part});
            });
}

bool is_plain_text(std::string_view x) {
  return !x.empty() && std::ranges::none_of(x, control);
}

bool is_postgresql_url(std::string_view x) {
  if (!x.starts_with("postgresql://") && !x.starts_with("postgres://"))
    return false;
  auto hosts = split_authority(x).second;
  // An empty host means the local socket; libpq decodes what is escaped.
  return is_plain_text(x)
         && (hosts.empty() || hosts.contains('%') || is_bootstrap(hosts));
}

bool is_redis_url(std::string_view x) {
  return is_plain_text(x)
         && (x.starts_with("redis://") || x.starts_with("rediss://")
             || x.starts_with("unix://"));
}

bool has_password(std::string_view url) {
  if (split_authority(url).first.contains(':'))
    return true;
  // libpq also takes parameters behind the question mark.
  auto query = url.find('?');
  if (query == url.npos)
    return false;
  for (auto&& part : url.substr(query + 1) | std::views::split('&')) {
    std::string_view text{part};
    auto name = text.substr(0, text.find('='));
    if (name.contains("pass") || name.contains('%'))
      return true;
  }
  return false;
}

} // namespace millrace
