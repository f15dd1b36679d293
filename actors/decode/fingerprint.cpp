#include "actors/decode/fingerprint.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace::detail {

void fingerprint_text::add(std::string_view x) {
  add(static_cast<uint32_t>(x.size()));
  bytes_ += x;
}

void fingerprint_text::add(uint32_t x) {
  for (int shift = 0; shift < 32; shift += 8)
    bytes_ += static_cast<char>(x >> shift & 0xff);
}

uint64_t fingerprint_text::hash() const noexcept {
  return XXH64(bytes_.data(), bytes_.size(), 0);
}

} // namespace millrace::detail
