#pragma once

// What an expression yields, before the target column makes a type of it.

#include <cstdint>
#include <string_view>

namespace millrace::detail {

enum class value_kind : uint8_t {
  /// The payload has no such member.
  missing,
  /// JSON null, or a fact that the record does not have.
  null,
  boolean,
  /// Decimal digits as sent.
  number,
  string,
  /// An array's or object's JSON text.
  array,
  object,
  /// A fact of the record, in `number`.
  integer,
  /// Milliseconds since 1970, in `number`.
  instant,
  /// The whole payload, or bytes that may not be text.
  payload,
  /// The path goes through something that is not an object; `text` is it.
  blocked,
  /// A computed time: microseconds since 2000 in UTC, in `number`.
  moment,
};

struct value {
  value_kind kind = value_kind::missing;

  /// String: `text` is raw JSON with escapes in it.
  bool escaped = false;

  /// The text lies in the scanner's copy of the payload, which has padding
  /// behind it: it is valid UTF-8, and a string stands between its quotes.
  bool in_payload = false;

  /// Boolean.
  bool truth = false;

  /// Payload: text that was made, and is JSON.
  bool is_json = false;

  /// Payload: jsonb can hold it, somebody has looked.
  bool fits_jsonb = false;

  std::string_view text = {};
  int64_t number = 0;

  bool is_null() const noexcept {
    return kind <= value_kind::null;
  }

  static value of_text(std::string_view text) noexcept {
    return {.kind = value_kind::string, .text = text};
  }
};

/// The value's JSON text: a string in the payload gets its quotes back.
inline std::string_view json_text(const value& x) noexcept {
  if (x.kind == value_kind::string && x.in_payload)
    return {x.text.data() - 1, x.text.size() + 2};
  return x.text;
}

} // namespace millrace::detail
