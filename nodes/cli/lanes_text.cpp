#include "nodes/cli/lanes_text.hpp"

#include "config/rfc3339.hpp"
#include "config/values.hpp"

#include <array>
#include <charconv>
#include <chrono>

namespace millrace::cli {

namespace {

/// More than the age of any record.
constexpr std::chrono::milliseconds oldest{std::chrono::days{36'500}};

template <class Int>
std::optional<Int> number(std::string_view text) {
  Int result = 0;
  auto end = text.data() + text.size();
  auto [at, ec] = std::from_chars(text.data(), end, result);
  if (ec != std::errc{} || at != end || result < 0)
    return std::nullopt;
  return result;
}

/// Three parts that are not empty.
std::optional<std::array<std::string_view, 3>> parts_of(std::string_view text) {
  auto first = text.find('/');
  auto last = text.rfind('/');
  if (first == text.npos || first == last || first == 0 || last == first + 1
      || last + 1 == text.size() || text.find('/', first + 1) != last)
    return std::nullopt;
  return std::array{text.substr(0, first),
                    text.substr(first + 1, last - first - 1),
                    text.substr(last + 1)};
}

} // namespace

std::optional<lane_id> parse_lane(std::string_view text) {
  auto parts = parts_of(text);
  if (!parts)
    return std::nullopt;
  auto shard_number = number<int32_t>((*parts)[2]);
  if (!shard_number)
    return std::nullopt;
  return lane_id{std::string{(*parts)[0]}, std::string{(*parts)[1]},
                 shard{*shard_number}};
}

std::optional<partition_name> parse_partition(std::string_view text) {
  auto parts = parts_of(text);
  if (!parts)
    return std::nullopt;
  auto partition_number = number<int32_t>((*parts)[2]);
  if (!partition_number)
    return std::nullopt;
  return partition_name{std::string{(*parts)[0]}, std::string{(*parts)[1]},
                        partition{*partition_number}};
}

std::optional<int64_t> parse_time_ms(std::string_view text, int64_t now_ms) {
  if (auto age = parse_duration(text))
    return *age <= oldest ? std::optional{now_ms - age->count()} : std::nullopt;
  return parse_rfc3339_ms(text);
}

std::string to_string(const partition_name& x) {
  return x.pipeline + '/' + x.topic + '/' + std::to_string(x.number.value);
}

std::string mend_command(const lane_status& x) {
  auto lane = to_string(x.lane);
  // What Kafka has deleted cannot be waited for.
  if (x.reason.contains("RETENTION_LOSS"))
    return "millrace lanes skip " + lane
           + " --topic TOPIC --partition N --to OFFSET --reason TEXT; "
             "millrace lanes resume "
           + lane + " --reason TEXT";
  return "millrace lanes resume " + lane + " --reason TEXT";
}

std::string mend_command(const halted_partition& x) {
  if (x.reason.contains("is not the one") || x.reason.contains("another one"))
    return "millrace lanes adopt-topic " + x.name.pipeline + ' ' + x.name.topic
           + " --reason TEXT";
  return "millrace lanes resume --partition " + to_string(x.name)
         + " --reason TEXT";
}

} // namespace millrace::cli
