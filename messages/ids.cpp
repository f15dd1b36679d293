#include "messages/ids.hpp"

#include <random>

namespace millrace {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

constexpr bool hyphen_before(std::size_t byte) noexcept {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

} // namespace

uuid uuid::random() {
  thread_local std::random_device source;
  uuid result;
  for (std::size_t i = 0; i < result.bytes.size(); i += 4) {
    auto bits = source();
    for (std::size_t j = 0; j < 4; ++j)
      result.bytes[i + j] = static_cast<uint8_t>(bits >> (8 * j));
  }
  result.bytes[6] = static_cast<uint8_t>((result.bytes[6] & 0x0f) | 0x40);
  result.bytes[8] = static_cast<uint8_t>((result.bytes[8] & 0x3f) | 0x80);
  return result;
}

std::optional<uuid> uuid::parse(std::string_view text) {
  if (text.size() != 36)
    return std::nullopt;
  uuid result;
  std::size_t at = 0;
  for (std::size_t i = 0; i < result.bytes.size(); ++i) {
    if (hyphen_before(i) && text[at++] != '-')
      return std::nullopt;
    auto high = hex_value(text[at]);
    auto low = hex_value(text[at + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    result.bytes[i] = static_cast<uint8_t>(high * 16 + low);
    at += 2;
  }
  return result;
}

std::string to_string(const uuid& x) {
  std::string result;
  result.reserve(36);
  for (std::size_t i = 0; i < x.bytes.size(); ++i) {
    if (hyphen_before(i))
      result += '-';
    result += hex_digits[x.bytes[i] >> 4];
    result += hex_digits[x.bytes[i] & 0x0f];
  }
  return result;
}

std::string to_string(const lane_id& x) {
  return x.pipeline + '/' + x.tenant + '/' + std::to_string(x.number.value);
}

} // namespace millrace
