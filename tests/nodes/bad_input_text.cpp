#include "tests/nodes/bad_input_text.hpp"

#include "messages/sha256.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <format>
#include <utility>

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

std::string short_text(const std::map<std::string, std::string>& x) {
  std::string result;
  for (const auto& [name, value] : x)
    result += std::format("{}: {}\n", name,
                          value.size() <= 400
                            ? value
                            : std::format("{}… ({} bytes, {})",
                                          value.substr(0, 60), value.size(),
                                          sha256_hex(value).substr(0, 16)));
  return result;
}

namespace {

/// The code point at the beginning and its bytes; 1 byte and nothing when it is
/// no UTF-8. Not the product's own: that is what is looked at.
std::pair<std::optional<uint32_t>, std::size_t> first_of(std::string_view x) {
  auto head = static_cast<unsigned char>(x[0]);
  if (head < 0x80)
    return {head, 1};
  auto size = static_cast<std::size_t>(std::countl_one(head));
  if (size < 2 || size > 4 || x.size() < size)
    return {std::nullopt, 1};
  uint32_t code = head & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    auto next = static_cast<unsigned char>(x[i]);
    if ((next & 0xc0) != 0x80)
      return {std::nullopt, 1};
    code = code << 6 | (next & 0x3fu);
  }
  constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[size] || code > 0x10ffff || (code >> 11) == 0x1b)
    return {std::nullopt, 1};
  return {code, size};
}

struct span_of_code {
  uint32_t from;
  uint32_t to;
};

/// Control characters, what joins or hides (soft hyphen, zero width, fillers,
/// tags, variation selectors of the supplement), what ends lines, what turns
/// the direction of a text, and what is no character.
constexpr span_of_code hazardous[] = {
  {0x00, 0x09},       {0x0b, 0x1f},       {0x7f, 0x9f},
  {0xad, 0xad},       {0x61c, 0x61c},     {0x180e, 0x180e},
  {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
  {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0xfffe, 0xffff},
  {0x1fffe, 0x1ffff}, {0xe0000, 0xe0fff}, {0x10fffe, 0x10ffff},
};

/// `2026-01-19T08:30:00.123Z ERROR …`: what a line of the log begins with.
bool is_of_the_log(std::string_view line) {
  constexpr std::string_view form = "0000-00-00T00:00:00.000Z ";
  if (line.size() <= form.size())
    return false;
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] == '0' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
      return false;
  line.remove_prefix(form.size());
  for (std::string_view level : {"DEBUG ", "INFO ", "WARN ", "ERROR "})
    if (line.starts_with(level))
      return true;
  return false;
}

} // namespace

std::string hazards(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    auto [code, size] = first_of(text.substr(i));
    if (!code)
      result += std::format("no UTF-8 ({:02x}) at byte {}; ",
                            static_cast<unsigned char>(text[i]), i);
    else if (std::ranges::any_of(hazardous, [&](const auto& x) {
               return *code >= x.from && *code <= x.to;
             }))
      result += std::format("{:02x} at byte {}; ", *code, i);
    i += size;
  }
  return result;
}

std::string foreign_lines(std::string_view log) {
  std::string result;
  while (!log.empty()) {
    auto end = std::min(log.find('\n'), log.size());
    auto line = log.substr(0, end);
    if (!is_of_the_log(line))
      result += std::string{line} + '\n';
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return result;
}

} // namespace millrace::test
