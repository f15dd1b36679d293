// The functions of the language that compute something new.

#include "actors/decode/evaluator.hpp"
#include "actors/decode/expression_words.hpp"
#include "actors/decode/moment.hpp"
#include "actors/decode/numeric.hpp"
#include "actors/decode/reason.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <format>

namespace millrace::detail {

namespace {

/// Most characters that substring() counts to, and digits that scale() moves.
constexpr int64_t max_position = 1'000'000'000;
constexpr int64_t max_shift = 1'000;

bool continues(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// The byte where the character `n` (from 0) begins, or the end.
std::size_t byte_of(std::string_view text, int64_t n) noexcept {
  std::size_t i = 0;
  for (; i < text.size(); ++i)
    if (!continues(text[i]) && n-- == 0)
      break;
  return i;
}

/// A text with `*` for anything matches; what `{}` stands for goes to `out`.
/// Each takes as little as it can, `{}` at least one character.
bool match(std::string_view text, std::string_view form,
           std::string_view& out) noexcept {
  auto at = form.find('*');
  auto mark = form.find("{}");
  auto wild = std::min(at, mark);
  if (!text.starts_with(form.substr(0, wild)))
    return false;
  if (wild == form.npos)
    return text.size() == form.size();
  text.remove_prefix(wild);
  auto wanted = wild == mark;
  form.remove_prefix(wild + (wanted ? 2 : 1));
  // Up to the next wildcard: the first place that fits, and at the end of the
  // form the last.
  auto next = form.substr(0, std::min(form.find('*'), form.find("{}")));
  std::size_t least = wanted ? 1 : 0;
  auto place = next.size() == form.size()
                 ? (text.size() >= next.size() && text.ends_with(next)
                      ? text.size() - next.size()
                      : text.npos)
                 : text.find(next, least);
  if (place == text.npos || place < least)
    return false;
  if (wanted)
    out = text.substr(0, place);
  return match(text.substr(place), form, out);
}

int nibble(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = to_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

} // namespace

bool evaluator::function(const step& x, value& out) {
  switch (x.kind) {
    case expression_kind::if_else:
      return if_else(x, out);
    case expression_kind::null_if:
      return null_if(x, out);
    case expression_kind::fallback:
      if (!run(x.arguments[0], out))
        return false;
      return out.kind != value_kind::missing || run(x.arguments[1], out);
    case expression_kind::substring:
      return substring(x, out);
    case expression_kind::capture:
      return capture(x, out);
    case expression_kind::from_epoch:
      return from_epoch(x, out);
    case expression_kind::to_epoch:
      return to_epoch(x, out);
    case expression_kind::utc:
      return utc(x, out);
    case expression_kind::part:
      return part(x, out);
    case expression_kind::scale:
      return scale(x, out);
    case expression_kind::with:
      return with_member(x, out);
    default:
      return uuid(x, out);
  }
}

bool evaluator::fail_value(const step& x, const value& found,
                           std::string_view expected) {
  return fail(reject_stage::map,
              std::format("found {} for {}, expected {}", describe(found),
                          x.source, expected));
}

bool evaluator::if_else(const step& x, value& out) {
  auto yes = false;
  if (!truth(x, x.arguments[0], yes))
    return false;
  return run(x.arguments[yes ? 1 : 2], out);
}

bool evaluator::null_if(const step& x, value& out) {
  value other;
  auto same = false;
  if (!run(x.arguments[0], out) || !run(x.arguments[1], other)
      || !equal(x, out, other, same))
    return false;
  if (same)
    out = {.kind = value_kind::null};
  return true;
}

// -- text ---------------------------------------------------------------------

bool evaluator::whole_number(const step& x, int argument, int64_t limit,
                             int64_t& out) {
  value from;
  if (!run(argument, from))
    return false;
  decimal_text parts;
  if (from.kind == value_kind::integer) {
    out = from.number;
    if (out >= -limit && out <= limit)
      return true;
  } else if (number_parts(from, parts)
             && to_integer(parts, -limit, limit, out)) {
    return true;
  }
  return fail_value(x, from,
                    std::format("a whole number from {} to {}", -limit, limit));
}

bool evaluator::substring(const step& x, value& out) {
  value from;
  if (!run(x.arguments[0], from))
    return false;
  int64_t first = 0;
  auto count = max_position;
  if (!whole_number(x, x.arguments[1], max_position, first)
      || (x.arguments.size() == 3
          && !whole_number(x, x.arguments[2], max_position, count)))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  auto text = text_of(from);
  if (!text)
    return fail_value(x, from, "text");
  // As in SQL: what stands before the first character counts, too.
  auto begin = std::max<int64_t>(first, 1) - 1;
  auto end = std::max<int64_t>(first + std::max<int64_t>(count, 0) - 1, begin);
  auto rest = text->substr(byte_of(*text, begin));
  out = value::of_text(rest.substr(0, byte_of(rest, end - begin)));
  return true;
}

bool evaluator::capture(const step& x, value& out) {
  value from;
  if (!run(x.arguments[0], from))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  auto text = text_of(from);
  if (!text)
    return fail_value(x, from, "text");
  std::string_view found;
  out = match(*text, x.text, found) ? value::of_text(found)
                                    : value{.kind = value_kind::missing};
  return true;
}

bool evaluator::uuid(const step& x, value& out) {
  value from;
  if (!run(x.arguments[0], from))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  auto text = text_of(from).value_or("");
  if (text.starts_with("urn:uuid:"))
    text.remove_prefix(9);
  if (text.starts_with('{') && text.ends_with('}'))
    text = text.substr(1, text.size() - 2);
  auto to = texts_.take(36);
  std::size_t size = 0;
  auto sound = text.size() == 32 || text.size() == 36;
  for (std::size_t i = 0; sound && i < text.size(); ++i) {
    auto hyphen = size == 8 || size == 13 || size == 18 || size == 23;
    if (hyphen)
      to[size++] = '-';
    if (hyphen && text.size() == 36)
      sound = text[i++] == '-' && i < text.size();
    sound = sound && nibble(text[i]) >= 0 && size < 36;
    if (sound)
      to[size++] = to_lower(text[i]);
  }
  if (!sound || size != 36)
    return fail_value(x, from, "a uuid");
  out = value::of_text({to, size});
  return true;
}

// -- numbers ------------------------------------------------------------------

bool evaluator::number_parts(const value& x, decimal_text& out) {
  if (x.kind == value_kind::number)
    return parse_json_number(x.text, out);
  if (x.kind != value_kind::string && x.kind != value_kind::integer
      && x.kind != value_kind::instant)
    return false;
  auto text = text_of(x);
  return text && parse_loose_number(*text, out);
}

/// Moves the point, and changes no digit.
bool evaluator::scale(const step& x, value& out) {
  value from;
  int64_t shift = 0;
  if (!run(x.arguments[0], from)
      || !whole_number(x, x.arguments[1], max_shift, shift))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  decimal_text parts;
  if (!number_parts(from, parts))
    return fail_value(x, from, "a number");
  auto exponent = parts.exponent + shift;
  auto size = parts.integer.size() + parts.fraction.size() + 32;
  auto to = texts_.take(size);
  auto end = to;
  auto put = [&end](std::string_view piece) {
    end = std::ranges::copy(piece, end).out;
  };
  if (parts.negative)
    put("-");
  // A number of JSON has digits before the point, and no zeros in front.
  auto whole = parts.integer;
  whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size()));
  put(whole.empty() ? "0" : whole);
  if (!parts.fraction.empty()) {
    put(".");
    put(parts.fraction);
  }
  if (exponent != 0) {
    put("e");
    end = std::to_chars(end, to + size, exponent).ptr;
  }
  out = {.kind = value_kind::number,
         .text = {to, static_cast<std::size_t>(end - to)}};
  return true;
}

// -- times --------------------------------------------------------------------

bool evaluator::from_epoch(const step& x, value& out) {
  value from;
  if (!run(x.arguments[0], from))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  decimal_text parts;
  int64_t microseconds = 0;
  if (!number_parts(from, parts)
      || !from_epoch_units(parts, x.detail, microseconds))
    return fail_value(x, from, "a time since 1970 as a number");
  out = {.kind = value_kind::moment, .number = microseconds};
  return true;
}

bool evaluator::utc(const step& x, value& out) {
  value from;
  if (!run(x.arguments[0], from))
    return false;
  if (from.is_null() || from.kind == value_kind::moment) {
    out = from;
    return true;
  }
  int64_t microseconds = 0;
  if (from.kind == value_kind::instant) {
    auto converted = from_unix_ms(from.number);
    if (!converted)
      return fail_value(x, from, "a time that PostgreSQL can hold");
    microseconds = *converted;
  } else {
    auto text = from.kind == value_kind::string ? text_of(from) : std::nullopt;
    if (!text || parse_timestamp(*text, true, microseconds, dates_))
      return fail_value(x, from,
                        "a time with an offset, such as "
                        "\"2026-01-19T17:21:51Z\"");
  }
  out = {.kind = value_kind::moment, .number = microseconds};
  return true;
}

bool evaluator::to_epoch(const step& x, value& out) {
  value from;
  if (!utc(x, from))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  int64_t number = 0;
  if (!to_epoch_units(from.number, x.detail, number))
    return fail_value(x, from, "a time that fits the unit");
  out = {.kind = value_kind::integer, .number = number};
  return true;
}

/// In UTC where the time says where that is, else as it stands there.
bool evaluator::part(const step& x, value& out) {
  value from;
  if (!run(x.arguments[1], from))
    return false;
  if (from.is_null()) {
    out = from;
    return true;
  }
  auto text = from.kind == value_kind::string ? text_of(from) : std::nullopt;
  int64_t at = from.number;
  int32_t days = 0;
  auto sound = from.kind == value_kind::moment;
  if (from.kind == value_kind::instant) {
    auto converted = from_unix_ms(from.number);
    sound = converted.has_value();
    at = converted.value_or(0);
  } else if (text) {
    sound = !parse_timestamp(*text, true, at, dates_)
            || !parse_timestamp(*text, false, at, dates_);
    if (!sound && !parse_date(*text, days)) {
      sound = true;
      at = int64_t{days} * 86'400'000'000;
    }
  }
  if (!sound)
    return fail_value(x, from, "a time or a date");
  out = {.kind = value_kind::integer, .number = part_of(at, x.detail)};
  return true;
}

} // namespace millrace::detail
