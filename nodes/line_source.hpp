#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// The lines of a text that comes from a file, an .xz file, or standard input.
///
/// Memory: one read buffer, which grows to the longest line; the whole text
/// when it shall be read again.
class line_source {
public:
  /// A line longer than this is an error, not a reason to grow.
  static constexpr std::size_t max_line_bytes = std::size_t{64} << 20;

  /// A text that is kept for further passes may be this long.
  static constexpr std::size_t max_kept_bytes = std::size_t{1} << 30;

  /// `path` "-" is standard input; a name that ends in `.xz` is decompressed.
  /// With `keep` the text stays in memory, so that `rewind` works. Errors are
  /// sentences that name the file.
  static std::expected<line_source, std::string> open(const std::string& path,
                                                      bool keep);

  line_source(line_source&&) noexcept;

  line_source& operator=(line_source&&) noexcept;

  ~line_source();

  /// The next line that is not empty, without its end ("\n" or "\r\n");
  /// nothing at the end. Valid until the next call, and followed by at least
  /// `padding` readable bytes, as vectorised parsers ask for.
  std::expected<std::optional<std::string_view>, std::string> next();

  /// Back to the first line. Only with `keep`.
  void rewind() noexcept;

  static constexpr std::size_t padding = 64;

private:
  struct impl;

  explicit line_source(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
