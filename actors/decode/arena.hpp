#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace millrace::detail {

/// Memory for texts that live as long as one record. Keeps its blocks, so
/// that taking from it allocates only while it still grows.
class arena {
public:
  /// Bytes that stay where they are until `reset`.
  char* take(std::size_t n) {
    while (current_ < blocks_.size() && blocks_[current_].size - used_ < n) {
      ++current_;
      used_ = 0;
    }
    if (current_ == blocks_.size()) {
      auto size = std::max(n, block_size);
      blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), size});
    }
    auto result = blocks_[current_].bytes.get() + used_;
    used_ += n;
    return result;
  }

  /// A place to go back to.
  struct mark {
    std::size_t current = 0;
    std::size_t used = 0;
  };

  mark here() const noexcept {
    return {current_, used_};
  }

  /// Gives back what was taken since.
  void rewind(mark to) noexcept {
    current_ = to.current;
    used_ = to.used;
  }

  void reset() noexcept {
    current_ = 0;
    used_ = 0;
  }

private:
  static constexpr std::size_t block_size = 4096;

  struct block {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };

  std::vector<block> blocks_;
  std::size_t current_ = 0;
  std::size_t used_ = 0;
};

} // namespace millrace::detail
