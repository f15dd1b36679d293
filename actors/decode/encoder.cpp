#include "actors/decode/array_encoder.hpp"
#include "actors/decode/bytes_encoder.hpp"
#include "actors/decode/moment.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include <simdjson.h>

namespace millrace::detail {

const complaint not_a_json_number = "a JSON value";

namespace {

// -- complaints ---------------------------------------------------------------

constexpr complaint want_number = "a number";
constexpr complaint want_int2 = "a whole number from -32768 to 32767";
constexpr complaint want_int4 = "a whole number from -2147483648 to 2147483647";
constexpr complaint want_int8
  = "a whole number from -9223372036854775808 to 9223372036854775807";
constexpr complaint want_in_range = "a number within the type's range";
constexpr complaint want_precision = "a number that fits the precision";
constexpr complaint want_boolean = "true or false";
constexpr complaint want_text = "text";
constexpr complaint want_no_nul = "text without \\u0000";
constexpr complaint want_utf8 = "text in valid UTF-8";
constexpr complaint want_shorter = "fewer characters";
constexpr complaint want_time_text
  = "a time as text, such as \"2026-01-19T17:21:51Z\"";
constexpr complaint want_date_text = "a date as text, such as \"2026-01-19\"";
constexpr complaint want_time_of_day
  = "a time of day as text, such as \"17:21:51\"";

// -- text ---------------------------------------------------------------------

bool has_nul(std::string_view text) noexcept {
  return text.find('\0') != std::string_view::npos;
}

std::size_t count_characters(std::string_view text) noexcept {
  std::size_t result = 0;
  for (auto c : text)
    result += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return result;
}

complaint put_text(const value& x, output& out) {
  switch (x.kind) {
    case value_kind::string:
      if (x.escaped) {
        auto from = out.room(x.text.size());
        auto size = static_cast<std::size_t>(unescape(x.text, from) - from);
        if (has_nul({from, size}))
          return want_no_nul;
        out.advance(size);
        return nullptr;
      }
      if (x.in_payload) {
        static_assert(output::slack <= simdjson::SIMDJSON_PADDING);
        out.put_padded(x.text);
        return nullptr;
      }
      if (has_nul(x.text))
        return want_no_nul;
      if (!simdjson::validate_utf8(x.text))
        return want_utf8;
      out.put(x.text);
      return nullptr;
    case value_kind::number:
    case value_kind::payload:
      out.put(x.text);
      return nullptr;
    case value_kind::boolean:
      out.put(x.truth ? "true" : "false");
      return nullptr;
    case value_kind::integer: {
      auto from = out.room(24);
      auto to = std::to_chars(from, from + 24, x.number).ptr;
      out.advance(static_cast<std::size_t>(to - from));
      return nullptr;
    }
    case value_kind::moment:
      out.advance(write_moment(x.number, out.room(max_moment)));
      return nullptr;
    default:
      return want_text;
  }
}

complaint put_any(const value& x, output& out) {
  if (x.kind == value_kind::array || x.kind == value_kind::object) {
    out.put(x.text);
    return nullptr;
  }
  if (x.kind != value_kind::instant)
    return put_text(x, out);
  auto at = from_unix_ms(x.number);
  if (!at)
    return want_in_range;
  out.advance(write_moment(*at, out.room(max_moment)));
  return nullptr;
}

complaint put_bounded(const value& x, int32_t limit, output& out) {
  auto from = out.size();
  if (auto wrong = put_text(x, out))
    return wrong;
  auto text = out.view(from);
  auto most = static_cast<std::size_t>(limit);
  if (text.size() <= most || count_characters(text) <= most)
    return nullptr;
  // PostgreSQL cuts spaces at the end, and nothing else.
  while (!text.empty() && text.back() == ' ' && count_characters(text) > most)
    text.remove_suffix(1);
  if (count_characters(text) > most)
    return want_shorter;
  out.truncate(from + text.size());
  return nullptr;
}

// -- numbers ------------------------------------------------------------------

/// Splits a value that may stand for a number.
complaint number_parts(const value& x, workspace& space, decimal_text& out) {
  out.padded = x.in_payload && !x.escaped;
  if (x.kind == value_kind::number) {
    if (parse_json_number(x.text, out))
      return nullptr;
    return not_a_json_number;
  }
  if (x.kind != value_kind::string
      || !parse_loose_number(plain_text(x, space), out))
    return want_number;
  return nullptr;
}

complaint put_integer(const value& x, encoder_kind kind, output& out,
                      workspace& space) {
  int64_t number = x.number;
  auto low = std::numeric_limits<int64_t>::min();
  auto high = std::numeric_limits<int64_t>::max();
  auto wanted = want_int8;
  if (kind == encoder_kind::int4) {
    low = std::numeric_limits<int32_t>::min();
    high = std::numeric_limits<int32_t>::max();
    wanted = want_int4;
  } else if (kind == encoder_kind::int2) {
    low = std::numeric_limits<int16_t>::min();
    high = std::numeric_limits<int16_t>::max();
    wanted = want_int2;
  }
  if (x.kind == value_kind::integer || x.kind == value_kind::instant) {
    if (number < low || number > high)
      return wanted;
  } else {
    decimal_text parts;
    if (auto wrong = number_parts(x, space, parts))
      return wrong == want_number ? wanted : wrong;
    if (!to_integer(parts, low, high, number))
      return wanted;
  }
  if (kind == encoder_kind::int8)
    out.put_big(number);
  else if (kind == encoder_kind::int4)
    out.put_big(static_cast<int32_t>(number));
  else
    out.put_big(static_cast<int16_t>(number));
  return nullptr;
}

complaint put_decimal(const value& x, numeric_limits limits, output& out,
                      workspace& space) {
  decimal_text parts;
  char digits[24];
  if (x.kind == value_kind::integer) {
    auto to = std::to_chars(digits, digits + sizeof(digits), x.number).ptr;
    parse_json_number({digits, static_cast<std::size_t>(to - digits)}, parts);
  } else if (auto wrong = number_parts(x, space, parts)) {
    return wrong;
  }
  if (put_numeric(parts, limits, out))
    return nullptr;
  return limits.precision > 0 ? want_precision : want_in_range;
}

template <class Float, class Bits>
complaint put_float(const value& x, output& out, workspace& space) {
  Float number = 0;
  if (x.kind == value_kind::integer) {
    number = static_cast<Float>(x.number);
  } else {
    auto text = x.text;
    if (x.kind == value_kind::string)
      text = plain_text(x, space);
    decimal_text parts;
    if (text == "NaN" && x.kind == value_kind::string) {
      number = std::numeric_limits<Float>::quiet_NaN();
    } else if (text == "Infinity" && x.kind == value_kind::string) {
      number = std::numeric_limits<Float>::infinity();
    } else if (text == "-Infinity" && x.kind == value_kind::string) {
      number = -std::numeric_limits<Float>::infinity();
    } else {
      if (auto wrong = number_parts(x, space, parts))
        return wrong;
      if (text.front() == '+')
        text.remove_prefix(1);
      auto end = text.data() + text.size();
      auto [at, error] = std::from_chars(text.data(), end, number);
      if (error == std::errc::result_out_of_range)
        return want_in_range;
      if (error != std::errc{} || at != end)
        return want_number;
    }
  }
  out.put_big(std::bit_cast<Bits>(number));
  return nullptr;
}

// -- other types --------------------------------------------------------------

complaint put_boolean(const value& x, output& out) {
  auto truth = x.truth;
  if (x.kind == value_kind::string && x.text == "true")
    truth = true;
  else if (x.kind == value_kind::string && x.text == "false")
    truth = false;
  else if (x.kind != value_kind::boolean)
    return want_boolean;
  out.put_big(static_cast<int8_t>(truth));
  return nullptr;
}

/// As AdjustTimestampForTypmod in PostgreSQL's timestamp.c, so that key hashes
/// are of what is stored.
int64_t round_time(int64_t microseconds, int32_t digits) noexcept {
  int64_t scale = 1;
  for (auto i = digits; i < 6; ++i)
    scale *= 10;
  auto half = scale / 2;
  if (microseconds >= 0)
    return (microseconds + half) / scale * scale;
  return -((half - microseconds) / scale * scale);
}

complaint put_timestamp(const value& x, const encoder& how, output& out,
                        workspace& space) {
  int64_t microseconds = 0;
  auto zoned = how.kind == encoder_kind::timestamptz;
  if (x.kind == value_kind::instant) {
    auto converted = from_unix_ms(x.number);
    if (!converted)
      return want_in_range;
    microseconds = *converted;
  } else if (x.kind == value_kind::moment) {
    microseconds = x.number;
  } else if (x.kind != value_kind::string) {
    return want_time_text;
  } else if (auto wrong = parse_timestamp(plain_text(x, space), zoned,
                                          microseconds, space.dates)) {
    return wrong;
  }
  if (how.second_digits < 6)
    microseconds = round_time(microseconds, how.second_digits);
  out.put_big(microseconds);
  return nullptr;
}

complaint put_date(const value& x, output& out, workspace& space) {
  int32_t days = 0;
  if (x.kind == value_kind::moment)
    days = static_cast<int32_t>(days_of(x.number));
  else if (x.kind != value_kind::string)
    return want_date_text;
  else if (auto wrong = parse_date(plain_text(x, space), days))
    return wrong;
  out.put_big(days);
  return nullptr;
}

complaint put_time(const value& x, const encoder& how, output& out,
                   workspace& space) {
  int64_t microseconds = 0;
  if (x.kind == value_kind::moment)
    microseconds = time_of_day(x.number);
  else if (x.kind != value_kind::string)
    return want_time_of_day;
  else if (auto wrong = parse_time_of_day(plain_text(x, space), microseconds))
    return wrong;
  if (how.second_digits < 6)
    microseconds = round_time(microseconds, how.second_digits);
  out.put_big(microseconds);
  return nullptr;
}

complaint put(const encoder& how, const value& x, output& out,
              workspace& space) {
  switch (how.kind) {
    case encoder_kind::int2:
    case encoder_kind::int4:
    case encoder_kind::int8:
      return put_integer(x, how.kind, out, space);
    case encoder_kind::float4:
      return put_float<float, uint32_t>(x, out, space);
    case encoder_kind::float8:
      return put_float<double, uint64_t>(x, out, space);
    case encoder_kind::numeric:
      return put_decimal(x, how.numeric, out, space);
    case encoder_kind::boolean:
      return put_boolean(x, out);
    case encoder_kind::text:
      return put_text(x, out);
    case encoder_kind::bounded_text:
    case encoder_kind::padded_text:
      return put_bounded(x, how.max_characters, out);
    case encoder_kind::timestamp:
    case encoder_kind::timestamptz:
      return put_timestamp(x, how, out, space);
    case encoder_kind::date:
      return put_date(x, out, space);
    case encoder_kind::time:
      return put_time(x, how, out, space);
    case encoder_kind::uuid:
      return put_uuid(x, out, space);
    case encoder_kind::json:
      return put_json(x, false, out, space);
    case encoder_kind::jsonb:
      return put_json(x, true, out, space);
    case encoder_kind::bytea:
      return put_bytes(x, out, space);
    case encoder_kind::array:
      return put_array(how, x, out, space);
    case encoder_kind::any:
      return put_any(x, out);
  }
  std::unreachable();
}

} // namespace

complaint encode(const encoder& how, const value& x, output& out,
                 workspace& space) {
  auto begin = out.begin_field();
  if (auto wrong = put(how, x, out, space)) [[unlikely]] {
    out.truncate(begin - 4);
    return wrong;
  }
  out.end_field(begin);
  return nullptr;
}

} // namespace millrace::detail
