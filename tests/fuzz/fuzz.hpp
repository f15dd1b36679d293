#pragma once

// What fuzz targets share. A target defines `LLVMFuzzerTestOneInput`, the name
// that libFuzzer calls; without libFuzzer, corpus_main.cpp calls it with every
// file of a corpus.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size);

namespace millrace::fuzz {

/// What must hold; the input that breaks it is a finding.
inline void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Bytes in memory of exactly their size, so that one read beyond is noticed.
class exact {
public:
  explicit exact(std::string_view x)
    : bytes_{std::make_unique<char[]>(x.size())},
      size_{x.size()} {
    if (!x.empty())
      std::memcpy(bytes_.get(), x.data(), x.size());
  }

  std::string_view view() const noexcept {
    return {bytes_.get(), size_};
  }

private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

inline std::string_view text_of(const uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The parts of an input, set apart by the byte 0xff. There is at least one.
inline std::vector<std::string_view> parts_of(std::string_view input) {
  std::vector<std::string_view> result;
  for (;;) {
    auto end = input.find('\xff');
    result.push_back(input.substr(0, end));
    if (end == input.npos)
      return result;
    input.remove_prefix(end + 1);
  }
}

} // namespace millrace::fuzz
