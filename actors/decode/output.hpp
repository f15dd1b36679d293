#pragma once

// A growing buffer that COPY fields are written to. It keeps its memory, so
// that after the largest record nothing is allocated any more.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace millrace::detail {

class output {
public:
  output() : data_{std::make_unique<char[]>(initial)}, capacity_{initial} {
    // nop
  }

  /// Room for n more bytes. Write there, then `advance`.
  char* room(std::size_t n) {
    if (capacity_ - size_ < n) [[unlikely]]
      grow(n);
    return data_.get() + size_;
  }

  void advance(std::size_t n) noexcept {
    size_ += n;
  }

  void put(std::string_view bytes) {
    // Callers pass empty views without an address.
    if (bytes.empty())
      return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  /// The same for text with at least `slack` readable bytes behind it.
  void put_padded(std::string_view bytes) {
    auto to = room(bytes.size() + slack);
    std::memcpy(to, bytes.data(), slack);
    if (bytes.size() > slack) [[unlikely]]
      std::memcpy(to + slack, bytes.data() + slack, bytes.size() - slack);
    size_ += bytes.size();
  }

  static constexpr std::size_t slack = 32;

  template <std::integral T>
  void put_big(T x) {
    store_big(room(sizeof(T)), x);
    size_ += sizeof(T);
  }

  template <std::integral T>
  static void store_big(char* at, T x) noexcept {
    auto swapped = std::byteswap(x);
    std::memcpy(at, &swapped, sizeof(T));
  }

  /// Leaves four bytes for a length; `end_field` fills them in.
  std::size_t begin_field() {
    room(4);
    size_ += 4;
    return size_;
  }

  void end_field(std::size_t begin) noexcept {
    store_big(data_.get() + begin - 4, static_cast<int32_t>(size_ - begin));
  }

  /// A field of SQL NULL.
  void put_null() {
    put_big(int32_t{-1});
  }

  char* data() noexcept {
    return data_.get();
  }

  std::size_t size() const noexcept {
    return size_;
  }

  void truncate(std::size_t size) noexcept {
    size_ = size;
  }

  std::string_view view(std::size_t from = 0) const noexcept {
    return {data_.get() + from, size_ - from};
  }

private:
  static constexpr std::size_t initial = 4096;

  void grow(std::size_t n) {
    auto capacity = std::bit_ceil(size_ + n);
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_;
};

} // namespace millrace::detail
