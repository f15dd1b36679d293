#pragma once

// The small language of column values, routes and tenants.
//
//   .name  .name.inner  ."odd name"     a path into the payload
//   @key @timestamp @topic @partition @offset @payload    facts of the record
//   header('name')                      the last header of that name
//   'text'  42  3.5  true  null         constants; '' inside text is one '
//   code(TABLE, x)                      the code table's value for x
//   coalesce(x, …)                      the first that is not null or missing
//   required(x)                         x, which must not be null or missing
//   lower(x) upper(x) trim(x)           ASCII letters; spaces at both ends
//   concat(x, …)                        texts; null and missing are empty

#include <cstdint>
#include <expected>
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
};

struct expression {
  expression_kind kind = expression_kind::null;

  /// Header or code table name, constant text or digits.
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

std::expected<expression, syntax_error> parse_expression(std::string_view text);

/// The expression in one fixed spelling, for fingerprints and messages.
std::string to_string(const expression& x);

} // namespace millrace::detail
