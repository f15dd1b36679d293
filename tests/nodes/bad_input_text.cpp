#include "tests/nodes/bad_input_text.hpp"

#include <format>

namespace millrace::test {

std::string hex_of(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  result.reserve(bytes.size() * 2);
  for (auto c : bytes) {
    auto x = static_cast<unsigned char>(c);
    result += digits[x >> 4];
    result += digits[x & 0xf];
  }
  return result;
}

std::string hex_or_null(const std::optional<std::string>& bytes) {
  return bytes ? hex_of(*bytes) : "null";
}

std::string hazards(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto x = static_cast<unsigned char>(text[i]);
    auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1])
                                    : 0;
    auto control = (x < 0x20 && x != '\n') || x == 0x7f
                   || (x == 0xc2 && next >= 0x80 && next < 0xa0)
                   || text.substr(i).starts_with("\xe2\x80\xae");
    if (control)
      result += std::format("{:02x} at byte {}; ", x, i);
  }
  return result;
}

} // namespace millrace::test
