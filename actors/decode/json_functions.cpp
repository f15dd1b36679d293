// Functions of the language that yield JSON.

#include "actors/decode/evaluator.hpp"
#include "actors/decode/json_scan.hpp"
#include "actors/decode/moment.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <simdjson.h>

namespace millrace::detail {

namespace {

/// A character of a text takes up to six bytes, and the quotes are two.
constexpr std::size_t most_bytes(std::string_view text) noexcept {
  return 6 * text.size() + 2;
}

char* put(std::string_view text, char* to) noexcept {
  return std::ranges::copy(text, to).out;
}

/// A text in valid UTF-8 as a string of JSON.
char* put_string(std::string_view text, char* to) noexcept {
  constexpr std::string_view digits = "0123456789abcdef";
  *to++ = '"';
  for (auto c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      to = put("\\u00", to);
      *to++ = digits[byte >> 4];
      *to++ = digits[byte & 0xf];
      continue;
    }
    if (c == '"' || c == '\\')
      *to++ = '\\';
    *to++ = c;
  }
  *to++ = '"';
  return to;
}

bool is_empty_object(std::string_view object) noexcept {
  auto inside = object.substr(object.find('{') + 1);
  return inside[inside.find_first_not_of(" \t\r\n")] == '}';
}

} // namespace

/// The text of a value in JSON; nothing for what has none.
std::optional<std::string_view> evaluator::json_of(const value& x) {
  auto take = [this](std::size_t size, auto write) {
    auto to = texts_.take(size);
    return std::string_view{to, static_cast<std::size_t>(write(to) - to)};
  };
  switch (x.kind) {
    case value_kind::missing:
    case value_kind::null:
      return "null";
    case value_kind::boolean:
      return x.truth ? "true" : "false";
    case value_kind::number:
    case value_kind::array:
    case value_kind::object:
      return x.text;
    case value_kind::integer:
      return take(24, [&](char* to) {
        return std::to_chars(to, to + 24, x.number).ptr;
      });
    case value_kind::instant:
    case value_kind::moment: {
      auto at = x.kind == value_kind::moment ? std::optional{x.number}
                                             : from_unix_ms(x.number);
      if (!at)
        return std::nullopt;
      return take(max_moment + 2, [&](char* to) {
        *to++ = '"';
        to += write_moment(*at, to);
        *to++ = '"';
        return to;
      });
    }
    case value_kind::string:
      if (x.in_payload)
        return json_text(x);
      if (!simdjson::validate_utf8(x.text))
        return std::nullopt;
      return take(most_bytes(x.text),
                  [&](char* to) { return put_string(x.text, to); });
    case value_kind::payload:
      return x.in_payload || x.is_json ? std::optional{x.text} : std::nullopt;
    case value_kind::blocked:
      return std::nullopt;
  }
  return std::nullopt;
}

/// The member goes behind all others: of equal names the last counts.
bool evaluator::with_member(const step& x, value& out) {
  value object;
  value member;
  if (!run(x.arguments[0], object) || !run(x.arguments[2], member))
    return false;
  if (object.is_null()) {
    out = object;
    return true;
  }
  auto is_object = object.kind == value_kind::object
                   || (object.kind == value_kind::payload
                       && (object.in_payload || object.is_json));
  if (!is_object)
    return fail_value(x, object, "an object");
  auto text = json_of(member);
  if (!text)
    return fail_value(x, member, "a value that JSON has");
  auto before = object.text.substr(0, object.text.rfind('}'));
  // With the comma, the colon, the brace and the quotes of the name.
  auto to = texts_.take(before.size() + x.text.size() + text->size() + 5);
  auto end = put(before, to);
  if (!is_empty_object(object.text))
    *end++ = ',';
  end = put_string(x.text, end);
  *end++ = ':';
  end = put(*text, end);
  *end++ = '}';
  out = {.kind = value_kind::payload,
         .is_json = true,
         .fits_jsonb = object.fits_jsonb && member.kind != value_kind::string
                       && member.kind != value_kind::number
                       && member.kind != value_kind::array
                       && member.kind != value_kind::object
                       && member.kind != value_kind::payload,
         .text = {to, static_cast<std::size_t>(end - to)}};
  return true;
}

} // namespace millrace::detail
