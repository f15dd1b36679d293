#pragma once

// What the tables of options share.

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::schema {

constexpr int64_t second = 1'000;
constexpr int64_t minute = 60 * second;
constexpr int64_t hour = 60 * minute;
constexpr int64_t day = 24 * hour;

constexpr int64_t kib = 1 << 10;
constexpr int64_t mib = 1 << 20;
constexpr int64_t gib = 1 << 30;

constexpr auto name_form = "a name of a-z, 0-9 and _ that begins with a "
                           "letter, at most 41 characters";

constexpr auto event_form = "a text of 1 to 100 bytes without control "
                            "characters";

constexpr auto path_form = "the path of a file";

/// The names of an enum's values from the first to the last.
template <class E>
std::vector<std::string> choices(E first, E last) {
  std::vector<std::string> result;
  for (auto i = static_cast<int>(first); i <= static_cast<int>(last); ++i)
    result.push_back(to_string(static_cast<E>(i)));
  return result;
}

} // namespace millrace::schema
