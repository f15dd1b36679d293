#pragma once

// Between our types and the text of query parameters and results.

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"

#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A column that cannot be what it is: the schema is not ours.
class bad_value : public std::runtime_error {
public:
  using runtime_error::runtime_error;
};

inline std::string_view text_of(const std::optional<std::string>& x) {
  if (!x)
    throw bad_value("NULL where a value was expected");
  return *x;
}

inline int64_t int_of(const std::optional<std::string>& x) {
  auto text = text_of(x);
  int64_t result = 0;
  auto end = text.data() + text.size();
  auto [at, ec] = std::from_chars(text.data(), end, result);
  if (ec != std::errc{} || at != end)
    throw bad_value("not an integer: " + std::string{text});
  return result;
}

inline int32_t int32_of(const std::optional<std::string>& x) {
  return static_cast<int32_t>(int_of(x));
}

inline bool bool_of(const std::optional<std::string>& x) {
  return text_of(x) == "t";
}

inline uuid uuid_of(const std::optional<std::string>& x) {
  if (auto result = uuid::parse(text_of(x)))
    return *result;
  throw bad_value("not a uuid: " + std::string{text_of(x)});
}

/// Lines without their ends; none of an empty text.
inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    auto end = text.find('\n');
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return result;
}

/// What PostgreSQL's text of a bytea stands for.
inline std::string hex_bytes(std::string_view hex) {
  auto digit = [](char c) {
    auto x = c >= 'a' ? c - 'a' + 10 : c - '0';
    if (x < 0 || x > 15)
      throw bad_value("not a bytea in hexadecimal");
    return x;
  };
  if (!hex.starts_with("\\x") || hex.size() % 2 != 0)
    throw bad_value("not a bytea in hexadecimal");
  std::string result;
  result.reserve(hex.size() / 2 - 1);
  for (std::size_t i = 2; i < hex.size(); i += 2)
    result += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return result;
}

inline std::string sql(int64_t x) {
  return std::to_string(x);
}

/// bigint has no unsigned sister: the bits are kept.
inline std::string sql(shape x) {
  return std::to_string(static_cast<int64_t>(x.value));
}

inline shape shape_of(const std::optional<std::string>& x) {
  return {static_cast<uint64_t>(int_of(x))};
}

} // namespace millrace
