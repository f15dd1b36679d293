#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::detail {

/// Gathers what a fingerprint is made of: texts with their length in front
/// (uint32) and numbers (uint32), little endian on every machine.
class fingerprint_text {
public:
  void add(std::string_view x);

  void add(uint32_t x);

  /// XXH64 with seed 0 over all of it.
  uint64_t hash() const noexcept;

private:
  std::string bytes_;
};

} // namespace millrace::detail
