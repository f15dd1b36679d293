#include "actors/store/error_text.hpp"

#include "actors/cluster/unicode.hpp"

#include <cstdint>
#include <format>

namespace millrace {

std::string harmless(std::string_view text, std::size_t limit) {
  constexpr std::string_view ellipsis = "…";
  std::string result;
  // Where it may end so that the ellipsis still fits.
  std::size_t keep = 0;
  while (!text.empty()) {
    auto next = next_code_point(text);
    if (!next.valid)
      result += std::format("\\x{:02x}", static_cast<uint32_t>(next.value));
    else if (is_hazardous(next.value))
      result += std::format("\\u{{{:x}}}", static_cast<uint32_t>(next.value));
    else
      result += text.substr(0, next.bytes);
    if (result.size() > limit) {
      result.resize(keep);
      return result += ellipsis;
    }
    if (result.size() + ellipsis.size() <= limit)
      keep = result.size();
    text.remove_prefix(next.bytes);
  }
  return result;
}

} // namespace millrace
