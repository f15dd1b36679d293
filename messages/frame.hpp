#pragma once

// What is too large for one frame between nodes travels in several. Plain data
// without CAF.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace millrace {

/// Largest content of a frame: with what is around it, it stays below 1 MiB.
/// Frames of one connection follow each other, so that a larger one would hold
/// up everybody's answers.
inline constexpr std::size_t max_frame_bytes = (1U << 20) - 8'192;

/// A piece of a whole: its bytes [from, from + bytes.size()).
struct frame {
  /// FNV-1a of the whole: pieces of different ones do not mix.
  uint64_t sum = 0;

  /// Bytes of the whole.
  uint64_t total = 0;
  uint64_t from = 0;
  std::string bytes;
};

/// Hands a whole out in frames.
class framed {
public:
  explicit framed(std::string whole, std::size_t frame_bytes = max_frame_bytes);

  uint64_t total() const noexcept {
    return whole_.size();
  }

  /// The piece from there on, which is empty where the whole has ended.
  frame cut(uint64_t from) const;

private:
  std::string whole_;
  std::size_t frame_bytes_;
  uint64_t sum_;
};

/// Puts together what comes in frames, in any order, and some of them twice.
/// Holds one whole at a time: the first piece of another one drops it.
class frame_assembly {
public:
  /// The whole, once all of it is there; whatever makes none is dropped.
  std::optional<std::string> add(frame x);

  /// Held at present.
  std::size_t bytes() const noexcept {
    return bytes_;
  }

private:
  void begin(uint64_t sum, uint64_t total);

  uint64_t sum_ = 0;
  uint64_t total_ = 0;
  std::size_t bytes_ = 0;

  /// By their first byte; none overlap.
  std::map<uint64_t, std::string> pieces_;
};

} // namespace millrace
