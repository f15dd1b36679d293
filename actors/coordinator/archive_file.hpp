#pragma once

#include "actors/coordinator/durable_file.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

/// zstd's states.
struct ZSTD_CCtx_s;

namespace millrace {

/// What is in an archive: text of COPY, compressed by zstd.
struct archive_content {
  /// Lines of the text: COPY writes line feeds of values as `\n`.
  int64_t rows = 0;

  /// Of the text, and of the file.
  int64_t text_bytes = 0;
  int64_t file_bytes = 0;

  /// Of the file: 64 hexadecimal digits in lower case.
  std::string sha256;

  friend bool operator==(const archive_content&, const archive_content&)
    = default;
};

/// Writes an archive from its beginning to its end, with bounded memory.
class archive_writer {
public:
  /// Replaces what has the name.
  static file_result<archive_writer> create(const std::filesystem::path& file);

  archive_writer(archive_writer&&) noexcept;
  archive_writer& operator=(archive_writer&&) noexcept;
  ~archive_writer();

  file_result<void> write(std::string_view text);

  /// Once, in the end: what was written is on the disc then.
  file_result<archive_content> finish();

private:
  struct state;

  explicit archive_writer(std::unique_ptr<state> x);

  file_result<void> put(std::string_view text, bool last);

  std::unique_ptr<state> state_;
};

/// Takes the next piece of text, or answers why it is not to go on.
using archive_sink = std::function<file_result<void>(std::string_view)>;

/// Reads an archive from its beginning to its end, with bounded memory. A file
/// that is cut off, or that is no archive, is an error.
class archive_reader {
public:
  static file_result<archive_reader> open(const std::filesystem::path& file);

  archive_reader(archive_reader&&) noexcept;
  archive_reader& operator=(archive_reader&&) noexcept;
  ~archive_reader();

  /// The next piece of text, until this is called again; empty: that was all.
  file_result<std::string_view> next();

  /// What was read; whole after the end.
  archive_content content();

private:
  struct state;

  explicit archive_reader(std::unique_ptr<state> x);

  file_result<void> fill();

  std::unique_ptr<state> state_;
};

/// Reads all of an archive to tell what is in it. `goes_on` is asked at each
/// piece.
file_result<archive_content> read_archive(const std::filesystem::path& file,
                                          const std::function<bool()>& goes_on);

} // namespace millrace
