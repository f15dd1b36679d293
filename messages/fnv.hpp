#pragma once

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): names for
// staging tables and backends, and whether pieces belong together. Nothing that
// somebody may forge.

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr uint64_t fnv_start = 0xcbf29ce484222325;

constexpr uint64_t fnv(uint64_t hash, std::string_view bytes) noexcept {
  for (auto c : bytes)
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

/// 16 lower-case digits.
inline std::string hex(uint64_t x) {
  std::string result(16, '0');
  for (auto i = result.size(); i-- > 0; x >>= 4)
    result[i] = "0123456789abcdef"[x & 0xf];
  return result;
}

} // namespace millrace
