#include "nodes/cli/sample_events.hpp"

#include "config/file.hpp"
#include "config/values.hpp"
#include "nodes/base64.hpp"

#include <algorithm>
#include <format>
#include <string_view>

#include <simdjson.h>

namespace millrace::cli {

namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t max_sample_bytes = 256 << 20;

/// A string's text, or null. False for everything else.
bool take(ondemand::value& from, std::optional<std::string>& to) {
  if (bool null = false; !from.is_null().get(null) && null) {
    to.reset();
    return true;
  }
  std::string_view text;
  if (from.get_string().get(text))
    return false;
  to = text;
  return true;
}

bool take_headers(ondemand::value& from, sample_event& to) {
  ondemand::array list;
  if (from.get_array().get(list))
    return false;
  to.headers.clear();
  for (auto item : list) {
    ondemand::array pair;
    if (item.get_array().get(pair))
      return false;
    std::vector<std::optional<std::string>> both;
    for (auto element : pair) {
      ondemand::value x;
      if (element.get(x) || !take(x, both.emplace_back()))
        return false;
    }
    if (both.size() != 2 || !both[0])
      return false;
    to.headers.emplace_back(*both[0], both[1]);
  }
  return true;
}

template <class Int>
bool take_number(ondemand::value& from, Int& to) {
  int64_t number = 0;
  if (from.get_int64().get(number) || !std::in_range<Int>(number))
    return false;
  to = static_cast<Int>(number);
  return true;
}

/// Base64, also without its padding.
bool take_bytes(ondemand::value& from, std::optional<std::string>& to) {
  std::optional<std::string> text;
  if (!take(from, text))
    return false;
  while (text && text->size() % 4 != 0)
    *text += '=';
  to = text ? from_base64(*text) : std::nullopt;
  return to.has_value() == text.has_value();
}

/// The payload's own text: numbers keep their digits.
bool take_payload(ondemand::value& from, std::optional<std::string>& to) {
  ondemand::json_type type;
  std::string_view text;
  if (from.type().get(type))
    return false;
  if (type == ondemand::json_type::null)
    return take(from, to);
  if (type != ondemand::json_type::object || from.raw_json().get(text))
    return false;
  to = text;
  return true;
}

/// False when the line is no whole record; `to` is then not to be used.
bool take_record(simdjson::padded_string& line, sample_event& to) {
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object members;
  if (parser.iterate(line).get(document) || document.get_object().get(members))
    return false;
  auto has_value = false;
  for (auto member : members) {
    std::string_view key;
    ondemand::value x;
    if (member.unescaped_key().get(key) || member.value().get(x))
      return false;
    auto name = std::string{key};
    // A recording may say what kind of time it is.
    if (name == "ts_type")
      continue;
    auto good = name == "topic"       ? [&] {
      std::optional<std::string> text;
      auto taken = take(x, text) && text.has_value();
      to.topic = text.value_or("");
      return taken;
    }()
                : name == "partition" ? take_number(x, to.partition)
                : name == "offset"    ? take_number(x, to.offset)
                : name == "timestamp" ? take_number(x, to.timestamp_ms)
                : name == "headers"   ? take_headers(x, to)
                : name == "key"       ? take(x, to.key)
                : name == "key_b64"   ? take_bytes(x, to.key)
                : name == "value"     ? take_payload(x, to.value)
                                      : name == "value_b64"
                                    && take_bytes(x, to.value);
    if (!good)
      return false;
    has_value = has_value || name.starts_with("value");
  }
  return has_value && document.at_end();
}

} // namespace

std::expected<std::vector<sample_event>, std::string>
read_samples(const std::string& file, const sample_event& other) {
  auto text = read_regular_file(file, max_sample_bytes);
  if (!text)
    return std::unexpected{
      std::format("{}: found {}, expected a file of JSON lines of at most {}",
                  file, text.error(), format_size(max_sample_bytes))};
  std::vector<sample_event> result;
  std::string_view rest = *text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == line.npos)
      continue;
    auto bare = other;
    bare.line = number;
    bare.offset = std::ssize(result);
    auto whole = bare;
    simdjson::padded_string padded{line};
    if (take_record(padded, whole)) {
      result.push_back(std::move(whole));
      continue;
    }
    bare.value = line;
    result.push_back(std::move(bare));
  }
  if (result.empty())
    return std::unexpected{file + ": found no events, expected JSON lines"};
  return result;
}

} // namespace millrace::cli
