#include "actors/decode/reason.hpp"

#include "actors/decode/moment.hpp"

#include <cstdint>
#include <format>

namespace millrace::detail {

namespace {

struct character {
  uint32_t code = 0;
  std::size_t size = 1;
  bool valid = false;
};

/// Reads one character; the first byte alone when it is not valid UTF-8.
character read_character(std::string_view text) {
  auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80)
    return {first, 1, true};
  std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xc2 || first > 0xf4 || text.size() < size)
    return {first, 1, false};
  uint32_t code = first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80)
      return {first, 1, false};
    code = code << 6 | (next & 0x3f);
  }
  if (code < least[size] || code > 0x10ffff
      || (code >= 0xd800 && code < 0xe000))
    return {first, 1, false};
  return {code, size, true};
}

/// Control characters, and those that turn or hide what stands around them.
bool is_invisible(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c
         || c == 0x180e || (c >= 0x200b && c <= 0x200f)
         || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f)
         || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb)
         || (c >= 0xe0000 && c <= 0xe0fff) || (c & 0xfffe) == 0xfffe;
}

std::string escape(const character& c) {
  if (!c.valid)
    return std::format("\\x{:02x}", c.code);
  switch (c.code) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return std::format("\\u{{{:x}}}", c.code);
  }
}

std::string in_quotes(std::string_view text) {
  return '"' + printable(text, 60) + '"';
}

} // namespace

std::string printable(std::string_view text, std::size_t limit) {
  constexpr std::string_view ellipsis = "…";
  std::string out;
  // Where the text may end so that the ellipsis still fits.
  std::size_t keep = 0;
  while (!text.empty()) {
    auto c = read_character(text);
    if (c.valid && !is_invisible(c.code))
      out += text.substr(0, c.size);
    else
      out += escape(c);
    if (out.size() + ellipsis.size() <= limit)
      keep = out.size();
    if (out.size() > limit) {
      out.resize(keep);
      return out += ellipsis;
    }
    text.remove_prefix(c.size);
  }
  return out;
}

std::string describe(const value& x) {
  switch (x.kind) {
    case value_kind::missing:
      return "nothing";
    case value_kind::null:
      return "null";
    case value_kind::boolean:
      return x.truth ? "true" : "false";
    case value_kind::number:
      return printable(x.text, 60);
    case value_kind::string:
      return in_quotes(x.text);
    case value_kind::array:
      return "the array " + printable(x.text, 40);
    case value_kind::object:
      return "the object " + printable(x.text, 40);
    case value_kind::integer:
    case value_kind::instant:
      return std::to_string(x.number);
    case value_kind::payload:
      return "the payload";
    case value_kind::moment: {
      char text[max_moment];
      return {text, write_moment(x.number, text)};
    }
    case value_kind::blocked:
      return printable(x.text, 40) + " on the way";
  }
  return "something";
}

} // namespace millrace::detail
