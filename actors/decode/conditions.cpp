// What is true or false.
//
// Null and missing are equal to each other and to nothing else; `!=` is the
// opposite of `=`. They are neither less nor greater than anything. Text
// compares with a number or a boolean by what it spells, else byte by byte.

#include "actors/decode/evaluator.hpp"
#include "actors/decode/reason.hpp"

#include <algorithm>
#include <format>

namespace millrace::detail {

namespace {

bool is_time(const value& x) noexcept {
  return x.kind == value_kind::instant || x.kind == value_kind::moment;
}

bool is_number(const value& x) noexcept {
  return x.kind == value_kind::number || x.kind == value_kind::integer
         || x.kind == value_kind::instant;
}

bool is_single(const value& x) noexcept {
  return x.kind != value_kind::array && x.kind != value_kind::object
         && x.kind != value_kind::blocked;
}

value of_truth(bool x) noexcept {
  return {.kind = value_kind::boolean, .truth = x};
}

} // namespace

std::optional<bool> evaluator::holds(int number) {
  auto result = false;
  const auto& x = program_.steps[static_cast<std::size_t>(number)];
  if (!truth(x, number, result))
    return std::nullopt;
  return result;
}

bool evaluator::truth(const step& x, int argument, bool& out) {
  value from;
  if (!run(argument, from))
    return false;
  out = from.kind == value_kind::boolean && from.truth;
  if (from.is_null() || from.kind == value_kind::boolean)
    return true;
  if (from.kind == value_kind::string
      && (from.text == "true" || from.text == "false")) {
    out = from.text == "true";
    return true;
  }
  return fail_value(x, from, "true or false");
}

bool evaluator::condition(const step& x, value& out) {
  auto result = false;
  switch (x.kind) {
    case expression_kind::both:
    case expression_kind::either: {
      auto stops = x.kind == expression_kind::either;
      for (auto argument : x.arguments) {
        if (!truth(x, argument, result))
          return false;
        if (result == stops)
          break;
      }
      break;
    }
    case expression_kind::negation:
      if (!truth(x, x.arguments[0], result))
        return false;
      result = !result;
      break;
    case expression_kind::exists:
      return exists(x, out);
    case expression_kind::is_in:
    case expression_kind::not_in:
      if (!is_member(x, result))
        return false;
      break;
    default:
      if (!compare(x, result))
        return false;
  }
  out = of_truth(result);
  return true;
}

bool evaluator::exists(const step& x, value& out) {
  const auto& argument
    = program_.steps[static_cast<std::size_t>(x.arguments[0])];
  value from;
  if (argument.kind == expression_kind::path) {
    if (!payload_good_)
      return fail(reject_stage::decode, "the payload is not JSON");
    from = scanner_.slot(argument.slot);
  } else if (!run(x.arguments[0], from)) {
    return false;
  }
  out = of_truth(from.kind != value_kind::missing
                 && from.kind != value_kind::blocked);
  return true;
}

bool evaluator::is_member(const step& x, bool& out) {
  value from;
  if (!run(x.arguments[0], from))
    return false;
  auto found = false;
  for (std::size_t i = 1; i < x.arguments.size() && !found; ++i) {
    value candidate;
    if (!run(x.arguments[i], candidate) || !equal(x, from, candidate, found))
      return false;
  }
  out = found == (x.kind == expression_kind::is_in);
  return true;
}

bool evaluator::compare(const step& x, bool& out) {
  value a;
  value b;
  if (!run(x.arguments[0], a) || !run(x.arguments[1], b))
    return false;
  if (x.kind == expression_kind::equal
      || x.kind == expression_kind::not_equal) {
    if (!equal(x, a, b, out))
      return false;
    out = out == (x.kind == expression_kind::equal);
    return true;
  }
  out = false;
  if (a.is_null() || b.is_null())
    return true;
  auto sign = 0;
  if (!order(x, a, b, sign))
    return false;
  switch (x.kind) {
    case expression_kind::less:
      out = sign < 0;
      return true;
    case expression_kind::less_equal:
      out = sign <= 0;
      return true;
    case expression_kind::greater:
      out = sign > 0;
      return true;
    default:
      out = sign >= 0;
      return true;
  }
}

bool evaluator::equal(const step& x, const value& a, const value& b,
                      bool& out) {
  out = false;
  if (a.is_null() || b.is_null()) {
    out = a.is_null() && b.is_null();
    return true;
  }
  for (const auto* side : {&a, &b})
    if (!is_single(*side))
      return fail_value(x, *side, "a single value");
  if (is_time(a) || is_time(b)) {
    auto sign = 0;
    if (!order(x, a, b, sign))
      return false;
    out = sign == 0;
    return true;
  }
  if (is_number(a) || is_number(b)) {
    decimal_text left;
    decimal_text right;
    out = number_parts(a, left) && number_parts(b, right)
          && compare_decimals(left, right) == 0;
    return true;
  }
  auto left = text_of(a);
  auto right = text_of(b);
  out = left && right && *left == *right;
  return true;
}

bool evaluator::order(const step& x, const value& a, const value& b, int& out) {
  auto moment = [this](const value& y, int64_t& at) {
    if (y.kind == value_kind::moment) {
      at = y.number;
      return true;
    }
    if (y.kind == value_kind::instant) {
      auto converted = from_unix_ms(y.number);
      at = converted.value_or(0);
      return converted.has_value();
    }
    auto text = y.kind == value_kind::string ? text_of(y) : std::nullopt;
    return text && !parse_timestamp(*text, true, at, dates_);
  };
  auto sign_of = [](auto order) { return order < 0 ? -1 : order > 0 ? 1 : 0; };
  int64_t from = 0;
  int64_t to = 0;
  // A record's time is also a number, and compares with one as such.
  if ((is_time(a) && !is_number(b)) || (is_time(b) && !is_number(a))
      || (is_time(a) && is_time(b))) {
    for (const auto* side : {&a, &b})
      if (!moment(*side, side == &a ? from : to))
        return fail_value(x, *side,
                          "a time with an offset, such as "
                          "\"2026-01-19T17:21:51Z\"");
    out = sign_of(from <=> to);
    return true;
  }
  if (is_number(a) || is_number(b)) {
    decimal_text left;
    decimal_text right;
    if (!number_parts(a, left))
      return fail_value(x, a, "a number");
    if (!number_parts(b, right))
      return fail_value(x, b, "a number");
    out = sign_of(compare_decimals(left, right));
    return true;
  }
  for (const auto* side : {&a, &b})
    if (side->kind != value_kind::string)
      return fail_value(x, *side, "a number, a text or a time");
  out = sign_of(text_of(a)->compare(*text_of(b)) <=> 0);
  return true;
}

} // namespace millrace::detail
