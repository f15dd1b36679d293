#pragma once

// The small language of column values, routes, tenants and conditions; for
// people it is described in docs/mapping.md.
//
//   .name  .name.inner  ."odd name"     a path into the payload
//   item  item.name                     an element of an array, and its members
//   @key @timestamp @topic @partition @offset @payload @type @index @raw
//   @readable
//   header('name')  header(1)           the last header of that name; the first
//   'text'  42  3.5  true  null         constants; '' inside text is one '
//   code(TABLE, x[, y])                 the code table's value for x, else y
//   lower(x) …                          functions: expression_words.hpp
//   x = y  x < y  x in (y, z)  exists(.x)  and  or  not

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::detail {

enum class expression_kind : uint8_t {
  path,
  key,
  timestamp,
  topic,
  partition,
  offset,
  payload,
  header,
  text,
  number,
  boolean,
  null,
  code,
  coalesce,
  required,
  lower,
  upper,
  trim,
  concat,
  /// The event's type, as the pipeline's `event_type` yields it.
  type,
  /// Which row of its write and event it is, from 0.
  index,
  /// The first header's value.
  first_header,
  /// The place of an element in its array, from 0.
  item_index,
  if_else,
  null_if,
  fallback,
  substring,
  from_epoch,
  to_epoch,
  utc,
  part,
  scale,
  uuid,
  /// An object with a member set.
  with,
  capture,
  /// The value as it came, JSON or not.
  raw,
  /// Whether the payload is JSON that a jsonb column can hold.
  readable,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  is_in,
  not_in,
  both,
  either,
  negation,
  exists,
};

/// Whether an expression of this kind is true or false, whatever the event.
constexpr bool is_condition(expression_kind x) noexcept {
  return x >= expression_kind::equal && x <= expression_kind::exists;
}

struct expression {
  expression_kind kind = expression_kind::null;

  /// Header or code table name, constant text or digits. Of a path and an
  /// element's index: the element's name, empty for the payload.
  std::string text = {};

  /// Names of a path, outermost first.
  std::vector<std::string> path = {};

  std::vector<expression> arguments = {};

  /// Where it begins: characters from the start of the text.
  uint32_t at = 0;
};

struct syntax_error {
  uint32_t at = 0;
  std::string message;
};

/// `items` are the names of elements that may be used.
std::expected<expression, syntax_error>
parse_expression(std::string_view text,
                 std::span<const std::string> items = {});

/// One loop over the elements of arrays.
struct each_level {
  /// What the element is called inside the write.
  std::string name;

  /// The arrays, one after the other.
  std::vector<expression> arrays;
};

/// Parses `contract in .Lender and .Borrower, fill in contract.fills`: loops
/// from the outer to the inner one.
std::expected<std::vector<each_level>, syntax_error>
parse_each(std::string_view text);

/// The expression in one fixed spelling, for fingerprints and messages.
std::string to_string(const expression& x);

std::string to_string(const std::vector<each_level>& x);

} // namespace millrace::detail
