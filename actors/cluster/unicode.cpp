#include "actors/cluster/unicode.hpp"

namespace millrace {

namespace {

constexpr uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<uint8_t>(text[i]);
}

constexpr bool within(char32_t x, char32_t first, char32_t last) {
  return x >= first && x <= last;
}

} // namespace

code_point next_code_point(std::string_view text) {
  auto head = byte_at(text, 0);
  if (head < 0x80)
    return {head, 1, true};
  auto bytes = std::size_t{0};
  auto value = char32_t{0};
  auto least = char32_t{0};
  if ((head & 0xE0) == 0xC0) {
    bytes = 2;
    value = head & 0x1F;
    least = 0x80;
  } else if ((head & 0xF0) == 0xE0) {
    bytes = 3;
    value = head & 0x0F;
    least = 0x800;
  } else if ((head & 0xF8) == 0xF0) {
    bytes = 4;
    value = head & 0x07;
    least = 0x10000;
  }
  const auto broken = code_point{head, 1, false};
  if (bytes == 0 || text.size() < bytes)
    return broken;
  for (std::size_t i = 1; i < bytes; ++i) {
    auto next = byte_at(text, i);
    if ((next & 0xC0) != 0x80)
      return broken;
    value = (value << 6) | (next & 0x3F);
  }
  if (value < least || value > 0x10FFFF || within(value, 0xD800, 0xDFFF))
    return broken;
  return {value, bytes, true};
}

bool is_hazardous(char32_t x) {
  return x < 0x20 || within(x, 0x7F, 0x9F) || x == 0xAD || x == 0x61C
         || x == 0x180E || within(x, 0x200B, 0x200F)
         || within(x, 0x2028, 0x202E) || within(x, 0x2060, 0x206F)
         || x == 0xFEFF || within(x, 0xFFF9, 0xFFFB)
         || within(x, 0xE0000, 0xE0FFF) || (x & 0xFFFE) == 0xFFFE;
}

} // namespace millrace
