#pragma once

// The words of the language of expressions, in one table each.

#include "actors/decode/expression.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace millrace::detail {

struct fact_row {
  std::string_view name;
  expression_kind kind;
};

inline constexpr std::array facts{
  fact_row{"key", expression_kind::key},
  fact_row{"timestamp", expression_kind::timestamp},
  fact_row{"topic", expression_kind::topic},
  fact_row{"partition", expression_kind::partition},
  fact_row{"offset", expression_kind::offset},
  fact_row{"payload", expression_kind::payload},
  fact_row{"type", expression_kind::type},
  fact_row{"index", expression_kind::index},
  fact_row{"raw", expression_kind::raw},
  fact_row{"readable", expression_kind::readable},
};

/// A function whose values all are expressions.
struct function_row {
  std::string_view name;
  expression_kind kind;
  std::size_t least;
  std::size_t most;
};

inline constexpr std::array functions{
  function_row{"coalesce", expression_kind::coalesce, 2, 32},
  function_row{"required", expression_kind::required, 1, 1},
  function_row{"default", expression_kind::fallback, 2, 2},
  function_row{"null_if", expression_kind::null_if, 2, 2},
  function_row{"if", expression_kind::if_else, 3, 3},
  function_row{"lower", expression_kind::lower, 1, 1},
  function_row{"upper", expression_kind::upper, 1, 1},
  function_row{"trim", expression_kind::trim, 1, 1},
  function_row{"concat", expression_kind::concat, 1, 32},
  function_row{"substring", expression_kind::substring, 2, 3},
  function_row{"capture", expression_kind::capture, 2, 2},
  function_row{"from_epoch", expression_kind::from_epoch, 2, 2},
  function_row{"to_epoch", expression_kind::to_epoch, 2, 2},
  function_row{"utc", expression_kind::utc, 1, 1},
  function_row{"part", expression_kind::part, 2, 2},
  function_row{"scale", expression_kind::scale, 2, 2},
  function_row{"uuid", expression_kind::uuid, 1, 1},
  function_row{"with", expression_kind::with, 3, 3},
  function_row{"exists", expression_kind::exists, 1, 1},
};

struct operator_row {
  std::string_view sign;
  expression_kind kind;
};

/// Longer signs first.
inline constexpr std::array operators{
  operator_row{"!=", expression_kind::not_equal},
  operator_row{"<=", expression_kind::less_equal},
  operator_row{">=", expression_kind::greater_equal},
  operator_row{"=", expression_kind::equal},
  operator_row{"<", expression_kind::less},
  operator_row{">", expression_kind::greater},
};

/// Units of from_epoch and to_epoch; `digits` are those of a second's parts.
struct epoch_unit {
  std::string_view name;
  int digits;
};

inline constexpr std::array epoch_units{
  epoch_unit{"s", 0},
  epoch_unit{"ms", 3},
  epoch_unit{"us", 6},
  epoch_unit{"ns", 9},
};

inline constexpr std::array<std::string_view, 8> time_parts{
  "year", "month", "day", "hour", "minute", "second", "weekday", "day_of_year"};

/// No element may be called so.
inline constexpr std::array<std::string_view, 7> reserved_words{
  "and", "or", "not", "in", "true", "false", "null"};

/// The digits of an epoch unit, or -1.
constexpr int digits_of_unit(std::string_view name) noexcept {
  for (const auto& x : epoch_units)
    if (x.name == name)
      return x.digits;
  return -1;
}

/// The number of a part of a time, or -1.
constexpr int number_of_part(std::string_view name) noexcept {
  for (std::size_t i = 0; i < time_parts.size(); ++i)
    if (time_parts[i] == name)
      return static_cast<int>(i);
  return -1;
}

/// Whether a template of capture() holds exactly one `{}`.
constexpr bool is_capture_template(std::string_view text) noexcept {
  auto at = text.find("{}");
  return at != text.npos && text.find("{}", at + 2) == text.npos;
}

/// Whether with() may give an object a member of this name.
constexpr bool is_member_name(std::string_view text) noexcept {
  for (auto c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\')
      return false;
  return !text.empty();
}

constexpr bool is_name_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
         || c == '$';
}

constexpr bool is_name(char c) noexcept {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

} // namespace millrace::detail
