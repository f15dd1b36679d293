#include "actors/decode/json_scan.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::detail {

namespace {

bool is_digit(char c) noexcept {
  return static_cast<unsigned char>(c - '0') < 10;
}

bool is_space(char c) noexcept {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/// Four hex digits as a number, or -1.
int32_t hex4(const char* p, const char* end) noexcept {
  if (end - p < 4)
    return -1;
  int32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    auto digit = hex_digit(p[i]);
    if (digit < 0)
      return -1;
    result = result * 16 + digit;
  }
  return result;
}

std::string_view between(const char* from, const char* to) noexcept {
  return {from, static_cast<std::size_t>(to - from)};
}

/// Walks over one JSON text; `p` stands where it stopped.
struct walker {
  const char* p;
  const char* end;
  scan_listener* listener;

  void skip_space() noexcept {
    while (p != end && is_space(*p))
      ++p;
  }

  /// Stands behind the opening quote; ends behind the closing one.
  const char* string(std::string_view& raw) noexcept {
    auto from = p;
    auto escaped = false;
    for (; p != end && *p != '"'; ++p) {
      if (static_cast<unsigned char>(*p) < 0x20)
        return "a control character inside a string";
      if (*p == '\\') {
        escaped = true;
        if (++p == end)
          break;
      }
    }
    if (p == end)
      return "a string without an end";
    raw = between(from, p);
    if (escaped)
      if (auto at = bad_escape(raw); at != raw.npos) {
        p = from + at;
        return "a bad escape sequence in a string";
      }
    ++p;
    return nullptr;
  }

  const char* scalar() noexcept {
    auto from = p;
    while (p != end && !is_space(*p) && *p != ',' && *p != ']' && *p != '}')
      ++p;
    auto token = between(from, p);
    decimal_text ignored;
    if (token == "true" || token == "false" || token == "null"
        || parse_json_number(token, ignored))
      return nullptr;
    p = from;
    return "a value that is not JSON";
  }

  const char* value(int depth, int position) noexcept {
    skip_space();
    if (p == end)
      return "the end where a value was expected";
    auto from = p;
    auto wanted = position >= 0 && listener;
    if (*p == '{' || *p == '[') {
      if (depth >= max_depth)
        return "nesting deeper than 64 levels";
      auto is_object = *p == '{';
      if (wanted && is_object)
        listener->enter(position);
      auto wrong = is_object ? object(depth + 1, position) : array(depth + 1);
      if (!wrong && wanted)
        listener->found(position, between(from, p));
      return wrong;
    }
    std::string_view raw;
    const char* wrong = nullptr;
    if (*p == '"') {
      ++p;
      wrong = string(raw);
    } else {
      wrong = scalar();
    }
    if (!wrong && wanted)
      listener->found(position, between(from, p));
    return wrong;
  }

  const char* object(int depth, int position) noexcept {
    ++p;
    skip_space();
    if (p != end && *p == '}') {
      ++p;
      return nullptr;
    }
    for (;;) {
      skip_space();
      if (p == end || *p != '"')
        return "no name where a member was expected";
      ++p;
      std::string_view key;
      if (auto wrong = string(key))
        return wrong;
      skip_space();
      if (p == end || *p != ':')
        return "no colon after a member's name";
      ++p;
      auto child = position >= 0 && listener ? listener->member(position, key)
                                             : -1;
      if (auto wrong = value(depth, child))
        return wrong;
      if (auto done = next('}'); done != go_on)
        return done;
    }
  }

  const char* array(int depth) noexcept {
    ++p;
    skip_space();
    if (p != end && *p == ']') {
      ++p;
      return nullptr;
    }
    for (;;) {
      if (auto wrong = value(depth, -1))
        return wrong;
      if (auto done = next(']'); done != go_on)
        return done;
    }
  }

  static constexpr const char* go_on = "";

  /// A comma (go on), the closing bracket (nullptr), or a complaint.
  const char* next(char closing) noexcept {
    skip_space();
    if (p == end)
      return "an object or array without an end";
    if (*p == ',') {
      ++p;
      return go_on;
    }
    if (*p != closing)
      return "no comma between two values";
    ++p;
    return nullptr;
  }
};

} // namespace

std::size_t bad_escape(std::string_view raw) noexcept {
  auto p = raw.data();
  auto end = p + raw.size();
  while (p != end) {
    auto at = static_cast<std::size_t>(p - raw.data());
    if (*p++ != '\\')
      continue;
    if (p == end)
      return at;
    auto c = *p++;
    if (c != 'u') {
      if (!std::strchr("\"\\/bfnrt", c) || c == '\0')
        return at;
      continue;
    }
    auto unit = hex4(p, end);
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000))
      return at;
    p += 4;
    if (unit < 0xd800 || unit >= 0xdc00)
      continue;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
      return at;
    auto low = hex4(p + 2, end);
    if (low < 0xdc00 || low >= 0xe000)
      return at;
    p += 6;
  }
  return raw.npos;
}

bool valid_escapes(std::string_view raw) noexcept {
  return bad_escape(raw) == raw.npos;
}

namespace {

char* put_utf8(uint32_t x, char* out) noexcept {
  if (x < 0x80) {
    *out++ = static_cast<char>(x);
  } else if (x < 0x800) {
    *out++ = static_cast<char>(0xc0 | (x >> 6));
    *out++ = static_cast<char>(0x80 | (x & 0x3f));
  } else if (x < 0x10000) {
    *out++ = static_cast<char>(0xe0 | (x >> 12));
    *out++ = static_cast<char>(0x80 | ((x >> 6) & 0x3f));
    *out++ = static_cast<char>(0x80 | (x & 0x3f));
  } else {
    *out++ = static_cast<char>(0xf0 | (x >> 18));
    *out++ = static_cast<char>(0x80 | ((x >> 12) & 0x3f));
    *out++ = static_cast<char>(0x80 | ((x >> 6) & 0x3f));
    *out++ = static_cast<char>(0x80 | (x & 0x3f));
  }
  return out;
}

char unescaped(char c) noexcept {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

} // namespace

char* unescape(std::string_view raw, char* out) noexcept {
  auto p = raw.data();
  auto end = p + raw.size();
  while (p != end) {
    if (*p != '\\') {
      *out++ = *p++;
      continue;
    }
    auto c = p[1];
    p += 2;
    if (c != 'u') {
      *out++ = unescaped(c);
      continue;
    }
    auto unit = static_cast<uint32_t>(hex4(p, end));
    p += 4;
    if (unit >= 0xd800 && unit < 0xdc00) {
      auto low = static_cast<uint32_t>(hex4(p + 2, end));
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
      p += 6;
    }
    out = put_utf8(unit, out);
  }
  return out;
}

bool has_escaped_nul(std::string_view raw) noexcept {
  for (std::size_t i = 0; i + 5 < raw.size(); ++i) {
    if (raw[i] != '\\')
      continue;
    if (raw.substr(i, 6) == "\\u0000")
      return true;
    ++i;
  }
  return false;
}

const char* scan_json(std::string_view text, int depth, int position,
                      scan_listener* listener, std::size_t& at) noexcept {
  walker w{text.data(), text.data() + text.size(), listener};
  auto wrong = w.value(depth, position);
  if (!wrong) {
    w.skip_space();
    if (w.p != w.end)
      wrong = "something after the end of the value";
  }
  at = static_cast<std::size_t>(w.p - text.data());
  return wrong;
}

namespace {

/// The length of the valid JSON value that the text begins with.
std::size_t value_size(std::string_view text) noexcept {
  auto is_container = text.front() == '{' || text.front() == '[';
  if (!is_container && text.front() != '"')
    return std::min(text.find_first_of(" \n\r\t,]"), text.size());
  auto depth = 0;
  std::size_t i = 0;
  do {
    auto c = text[i++];
    if (c == '"') {
      while (text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
      ++i;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  } while (depth > 0);
  return i;
}

} // namespace

bool next_element(std::string_view& rest, std::string_view& out) noexcept {
  auto from = rest.find_first_not_of(" \n\r\t,");
  if (from == std::string_view::npos || rest[from] == ']')
    return false;
  rest.remove_prefix(from);
  out = rest.substr(0, value_size(rest));
  rest.remove_prefix(out.size());
  return true;
}

const char* jsonb_complaint(std::string_view json) noexcept {
  auto p = json.data();
  auto end = p + json.size();
  while (p != end) {
    if (*p == '"') {
      auto from = ++p;
      while (*p != '"')
        p += *p == '\\' ? 2 : 1;
      if (has_escaped_nul(between(from, p)))
        return "JSON without \\u0000, which jsonb cannot hold";
      ++p;
    } else if (*p == '-' || is_digit(*p)) {
      auto from = p;
      while (p != end && (is_digit(*p) || std::strchr("+-.eE", *p)))
        ++p;
      decimal_text parts;
      if (!parse_json_number(between(from, p), parts))
        return "JSON";
      auto digits = static_cast<int64_t>(parts.integer.size()) + parts.exponent;
      auto scale = static_cast<int64_t>(parts.fraction.size()) - parts.exponent;
      if (digits > 131'072 || scale > 16'383)
        return "JSON with numbers that jsonb can hold";
    } else {
      ++p;
    }
  }
  return nullptr;
}

} // namespace millrace::detail
