#include "actors/decode/expression.hpp"

#include "actors/decode/expression_words.hpp"

#include <algorithm>
#include <format>

namespace millrace::detail {

namespace {

std::string path_text(const expression& x) {
  auto out = x.text;
  for (const auto& name : x.path) {
    out += '.';
    if (!name.empty() && is_name_start(name.front())
        && std::ranges::all_of(name, is_name)) {
      out += name;
      continue;
    }
    out += '"';
    for (auto c : name) {
      if (c == '"' || c == '\\')
        out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (auto c : text) {
    if (c == '\'')
      out += c;
    out += c;
  }
  return out + '\'';
}

std::string list(const expression& x, std::size_t from) {
  std::string out;
  for (auto i = from; i < x.arguments.size(); ++i)
    out += (i > from ? ", " : "") + to_string(x.arguments[i]);
  return out;
}

/// An operand; conditions inside others get parentheses.
std::string operand(const expression& x) {
  auto text = to_string(x);
  return is_condition(x.kind) && x.kind != expression_kind::exists
           ? '(' + text + ')'
           : text;
}

std::string condition_text(const expression& x) {
  for (const auto& row : operators)
    if (row.kind == x.kind)
      return std::format("{} {} {}", operand(x.arguments[0]), row.sign,
                         operand(x.arguments[1]));
  switch (x.kind) {
    case expression_kind::is_in:
      return std::format("{} in ({})", operand(x.arguments[0]), list(x, 1));
    case expression_kind::not_in:
      return std::format("{} not in ({})", operand(x.arguments[0]), list(x, 1));
    case expression_kind::negation:
      return "not " + operand(x.arguments[0]);
    default: {
      std::string out;
      for (const auto& argument : x.arguments)
        out += (out.empty()                         ? ""
                : x.kind == expression_kind::either ? " or "
                                                    : " and ")
               + operand(argument);
      return out;
    }
  }
}

} // namespace

std::string to_string(const expression& x) {
  switch (x.kind) {
    case expression_kind::path:
      return path_text(x);
    case expression_kind::header:
      return "header(" + in_quotes(x.text) + ')';
    case expression_kind::first_header:
      return "header(1)";
    case expression_kind::item_index:
      return "index(" + x.text + ')';
    case expression_kind::text:
      return in_quotes(x.text);
    case expression_kind::number:
    case expression_kind::boolean:
      return x.text;
    case expression_kind::null:
      return "null";
    case expression_kind::code:
      return std::format("code({}, {})", x.text, list(x, 0));
    default:
      break;
  }
  for (const auto& row : facts)
    if (row.kind == x.kind)
      return std::format("@{}", row.name);
  for (const auto& row : functions)
    if (row.kind == x.kind)
      return std::format("{}({})", row.name, list(x, 0));
  return condition_text(x);
}

std::string to_string(const std::vector<each_level>& x) {
  std::string out;
  for (const auto& level : x) {
    out += (out.empty() ? "" : ", ") + level.name + " in ";
    for (std::size_t i = 0; i < level.arrays.size(); ++i)
      out += (i > 0 ? " and " : "") + to_string(level.arrays[i]);
  }
  return out;
}

} // namespace millrace::detail
