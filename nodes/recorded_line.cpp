#include "nodes/recorded_line.hpp"

#include "nodes/base64.hpp"
#include "nodes/line_source.hpp"

#include <limits>

#include <simdjson.h>

namespace millrace {

namespace {

namespace json = simdjson::ondemand;

std::unexpected<std::string> wrong(std::string_view member,
                                   std::string_view expected) {
  return std::unexpected{std::string{member} + ": expected "
                         + std::string{expected}};
}

/// Whether the value is there and not null.
bool is_given(json::object& of, std::string_view name, json::value& to) {
  return of.find_field_unordered(name).get(to) == simdjson::SUCCESS
         && !to.is_null();
}

std::expected<std::optional<std::string>, std::string>
bytes_of(json::object& of, std::string_view name) {
  json::value value;
  if (!is_given(of, name, value))
    return std::nullopt;
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS)
    return wrong(name, "text in base64, or null");
  auto result = from_base64(text);
  if (!result)
    return wrong(name, "base64 with its padding");
  return result;
}

template <class T>
std::expected<std::optional<T>, std::string>
number_of(json::object& of, std::string_view name) {
  json::value value;
  if (!is_given(of, name, value))
    return std::nullopt;
  int64_t result = 0;
  if (value.get_int64().get(result) != simdjson::SUCCESS || result < 0
      || result > std::numeric_limits<T>::max())
    return wrong(name, "a number from 0");
  return static_cast<T>(result);
}

/// False when they are not pairs of texts.
bool read_headers(json::object& of, recorded_line& to) {
  json::value value;
  if (!is_given(of, "headers", value))
    return true;
  json::array pairs;
  if (value.get_array().get(pairs) != simdjson::SUCCESS)
    return false;
  for (auto pair : pairs) {
    json::array parts;
    if (pair.get_array().get(parts) != simdjson::SUCCESS)
      return false;
    std::vector<std::string> texts;
    for (auto part : parts) {
      std::string_view text;
      if (part.get_string().get(text) != simdjson::SUCCESS)
        return false;
      texts.emplace_back(text);
    }
    if (texts.size() != 2)
      return false;
    to.headers.emplace_back(std::move(texts[0]), std::move(texts[1]));
  }
  return true;
}

} // namespace

struct recorded_line_reader::impl {
  json::parser parser;
  recorded_line record;
};

recorded_line_reader::recorded_line_reader() : impl_{std::make_unique<impl>()} {
}

recorded_line_reader::~recorded_line_reader() = default;

std::expected<const recorded_line*, std::string>
recorded_line_reader::read(std::string_view line) {
  auto& to = impl_->record;
  to = {};
  simdjson::padded_string_view text{line.data(), line.size(),
                                    line.size() + line_source::padding};
  json::document document;
  json::object object;
  if (impl_->parser.iterate(text).get(document) != simdjson::SUCCESS
      || document.get_object().get(object) != simdjson::SUCCESS)
    return std::unexpected{"expected a JSON object"};
  auto key = bytes_of(object, "key_b64");
  if (!key)
    return std::unexpected{key.error()};
  auto value = bytes_of(object, "value_b64");
  if (!value)
    return std::unexpected{value.error()};
  auto timestamp = number_of<int64_t>(object, "timestamp");
  if (!timestamp)
    return std::unexpected{timestamp.error()};
  auto partition = number_of<int32_t>(object, "partition");
  if (!partition)
    return std::unexpected{partition.error()};
  if (!read_headers(object, to))
    return wrong("headers", "a list of [name, text]");
  to.key = std::move(*key);
  to.value = std::move(*value);
  to.timestamp_ms = *timestamp;
  to.partition = *partition;
  return &to;
}

} // namespace millrace
