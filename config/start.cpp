#include "config/start.hpp"

#include "config/rfc3339.hpp"
#include "config/values.hpp"

#include <charconv>
#include <format>

namespace millrace {

namespace {

constexpr std::string_view group_prefix = "group:";

/// As long as a topic's name may be; Kafka itself has no limit.
constexpr std::size_t max_group_bytes = 255;

/// Digits alone; nothing on overflow.
template <class T>
std::optional<T> parse_digits(std::string_view x) {
  T result = 0;
  auto [end, code] = std::from_chars(x.data(), x.data() + x.size(), result);
  if (code != std::errc{} || end != x.data() + x.size() || x.starts_with('-'))
    return std::nullopt;
  return result;
}

} // namespace

std::string to_string(const start_config& x) {
  switch (x.from) {
    case start_position::earliest:
      return "earliest";
    case start_position::latest:
      return "latest";
    case start_position::instant:
      return x.instant_text;
    case start_position::group:
      return std::string{group_prefix} + x.group;
  }
  return "unknown";
}

std::string to_string(const start_offset& x) {
  return std::format("{}/{}={}", x.topic, x.partition, x.offset);
}

std::optional<start_config> parse_start(std::string_view x) {
  if (x == "earliest")
    return start_config{};
  if (x == "latest")
    return start_config{.from = start_position::latest};
  if (x.starts_with(group_prefix)) {
    auto group = x.substr(group_prefix.size());
    if (!is_plain_text(group) || group.size() > max_group_bytes)
      return std::nullopt;
    return start_config{.from = start_position::group,
                        .group = std::string{group}};
  }
  // Kafka takes times below zero for something else.
  auto ms = parse_rfc3339_ms(x);
  if (!ms || *ms < 0)
    return std::nullopt;
  return start_config{.from = start_position::instant,
                      .instant_ms = *ms,
                      .instant_text = std::string{x}};
}

std::optional<start_offset> parse_start_offset(std::string_view x) {
  auto equals = x.rfind('=');
  auto slash = x.substr(0, equals).rfind('/');
  if (equals == x.npos || slash == x.npos)
    return std::nullopt;
  auto topic = x.substr(0, slash);
  auto number = parse_digits<int32_t>(x.substr(slash + 1, equals - slash - 1));
  auto at = parse_digits<int64_t>(x.substr(equals + 1));
  if (!is_topic(topic) || !number || !at)
    return std::nullopt;
  return start_offset{std::string{topic}, *number, *at};
}

} // namespace millrace
