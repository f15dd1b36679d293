#include "messages/waiting.hpp"

namespace millrace {

namespace {

constexpr std::size_t touch_bytes = 17;

void put(std::string& out, uint64_t x) {
  for (auto shift = 56; shift >= 0; shift -= 8)
    out += static_cast<char>(x >> shift);
}

uint64_t take(std::string_view from) {
  uint64_t result = 0;
  for (auto c : from.substr(0, 8))
    result = result << 8 | static_cast<uint8_t>(c);
  return result;
}

} // namespace

key_hash row_of(const write_trait& write, const key_hash& key) noexcept {
  // The key's hash is good already; the table only has to move it elsewhere.
  return {key.high ^ write.table, key.low + write.table * 0x9e3779b97f4a7c15};
}

std::string touches_text(const std::vector<touched_row>& x) {
  std::string result;
  result.reserve(x.size() * touch_bytes);
  for (const auto& touch : x) {
    result += touch.awaits ? '\1' : '\0';
    put(result, touch.row.high);
    put(result, touch.row.low);
  }
  return result;
}

std::vector<touched_row> parse_touches(std::string_view text) {
  std::vector<touched_row> result;
  for (; text.size() >= touch_bytes; text.remove_prefix(touch_bytes))
    result.push_back(
      {{take(text.substr(1)), take(text.substr(9))}, text[0] != '\0'});
  return result;
}

} // namespace millrace
