#include "actors/decode/bytes_encoder.hpp"

#include "actors/decode/moment.hpp"

#include <charconv>

#include <simdjson.h>

namespace millrace::detail {

namespace {

constexpr complaint want_uuid = "a uuid";
constexpr complaint want_json = "JSON";
constexpr complaint want_bytes
  = "bytes as hexadecimal text, such as \"\\\\x0aff\"";

int nibble(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

} // namespace

complaint put_uuid(const value& x, output& out, workspace& space) {
  if (x.kind != value_kind::string)
    return want_uuid;
  auto text = plain_text(x, space);
  auto hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32)
    return want_uuid;
  auto at = out.room(16);
  std::size_t i = 0;
  for (int byte = 0; byte < 16; ++byte) {
    if (hyphens && (byte == 4 || byte == 6 || byte == 8 || byte == 10)
        && text[i++] != '-')
      return want_uuid;
    auto high = nibble(text[i]);
    auto low = nibble(text[i + 1]);
    if (high < 0 || low < 0)
      return want_uuid;
    at[byte] = static_cast<char>(high * 16 + low);
    i += 2;
  }
  out.advance(16);
  return nullptr;
}

complaint put_json(const value& x, bool binary, output& out, workspace& space) {
  if (binary)
    out.put_big(int8_t{1});
  char digits[24];
  auto text = json_text(x);
  if (x.kind == value_kind::boolean) {
    text = x.truth ? "true" : "false";
  } else if (x.kind == value_kind::integer) {
    auto to = std::to_chars(digits, digits + sizeof(digits), x.number).ptr;
    text = {digits, static_cast<std::size_t>(to - digits)};
  } else if (x.kind == value_kind::moment) {
    auto to = out.room(max_moment + 2);
    to[0] = '"';
    auto size = write_moment(x.number, to + 1);
    to[size + 1] = '"';
    out.advance(size + 2);
    return nullptr;
  } else if (x.kind == value_kind::instant || x.kind == value_kind::blocked) {
    return want_json;
  } else if (!x.is_json
             && (!x.in_payload
                 || (x.kind == value_kind::payload && !x.fits_jsonb))) {
    // Text from elsewhere must be JSON by itself, and nobody has looked at all
    // of a payload.
    text = plain_text(x, space);
    std::size_t at = 0;
    if (!simdjson::validate_utf8(text) || scan_json(text, 0, -1, nullptr, at))
      return want_json;
  }
  if (binary && !x.fits_jsonb)
    if (auto wrong = jsonb_complaint(text))
      return wrong;
  out.put(text);
  return nullptr;
}

complaint put_bytes(const value& x, output& out, workspace& space) {
  if (x.kind == value_kind::payload
      || (x.kind == value_kind::string && !x.in_payload)) {
    out.put(x.text);
    return nullptr;
  }
  if (x.kind != value_kind::string)
    return want_bytes;
  auto text = plain_text(x, space);
  if (!text.starts_with("\\x") || text.size() % 2 != 0)
    return want_bytes;
  for (std::size_t i = 2; i < text.size(); i += 2) {
    auto high = nibble(text[i]);
    auto low = nibble(text[i + 1]);
    if (high < 0 || low < 0)
      return want_bytes;
    out.put_big(static_cast<int8_t>(high * 16 + low));
  }
  return nullptr;
}

} // namespace millrace::detail
