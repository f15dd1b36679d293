#pragma once

// From names to small numbers: a flat hash table, filled once.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::detail {

/// ASCII letters in lower case, others as they are.
constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

class name_index {
public:
  /// Adds a name that is not there yet.
  void add(std::string_view name, int number);

  /// The number of a name, or -1.
  int find(std::string_view name) const noexcept;

  bool empty() const noexcept {
    return count_ == 0;
  }

private:
  struct entry {
    std::string name;
    int number = -1;
  };

  std::size_t place(std::string_view name) const noexcept;

  /// A power of two, at most half full.
  std::vector<entry> entries_;
  std::size_t count_ = 0;
};

} // namespace millrace::detail
