#include "actors/coordinator/archive_file.hpp"

#include "messages/sha256.hpp"

#include <algorithm>
#include <cerrno>
#include <format>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

namespace millrace {

namespace {

namespace fs = std::filesystem;

/// A compromise: as fast as COPY is, and a tenth of its text.
constexpr int level = 3;

/// Read at once.
constexpr std::size_t read_bytes = 256 * 1024;

struct free_writer {
  void operator()(ZSTD_CCtx* x) const noexcept {
    ZSTD_freeCCtx(x);
  }
};

struct free_reader {
  void operator()(ZSTD_DCtx* x) const noexcept {
    ZSTD_freeDCtx(x);
  }
};

void count(archive_content& to, std::string_view text) {
  to.rows += std::ranges::count(text, '\n');
  to.text_bytes += static_cast<int64_t>(text.size());
}

} // namespace

// -- writing ------------------------------------------------------------------

struct archive_writer::state {
  fs::path file;
  descriptor to;
  std::unique_ptr<ZSTD_CCtx, free_writer> zstd{ZSTD_createCCtx()};
  std::vector<char> out = std::vector<char>(ZSTD_CStreamOutSize());
  sha256_sum sum;
  archive_content content;
};

archive_writer::archive_writer(std::unique_ptr<state> x)
  : state_{std::move(x)} {
}

archive_writer::archive_writer(archive_writer&&) noexcept = default;
archive_writer& archive_writer::operator=(archive_writer&&) noexcept = default;
archive_writer::~archive_writer() = default;

file_result<archive_writer> archive_writer::create(const fs::path& file) {
  auto to = create_file(file);
  if (!to)
    return std::unexpected{std::move(to.error())};
  auto result = std::make_unique<state>();
  result->file = file;
  result->to = std::move(*to);
  auto* zstd = result->zstd.get();
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
  return archive_writer{std::move(result)};
}

file_result<void> archive_writer::put(std::string_view text, bool last) {
  auto& x = *state_;
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  for (;;) {
    ZSTD_outBuffer out{x.out.data(), x.out.size(), 0};
    auto left = ZSTD_compressStream2(x.zstd.get(), &out, &in,
                                     last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left) != 0)
      return std::unexpected{std::format(
        "cannot compress {}: {}", x.file.string(), ZSTD_getErrorName(left))};
    std::string_view bytes{x.out.data(), out.pos};
    x.sum.add(bytes);
    x.content.file_bytes += static_cast<int64_t>(bytes.size());
    if (auto done = write_all(x.to, x.file, bytes); !done)
      return done;
    if (last ? left == 0 : in.pos == in.size)
      return {};
  }
}

file_result<void> archive_writer::write(std::string_view text) {
  count(state_->content, text);
  return put(text, false);
}

file_result<archive_content> archive_writer::finish() {
  auto done = put({}, true);
  if (done)
    done = sync_file(state_->file, state_->to);
  if (!done)
    return std::unexpected{std::move(done.error())};
  state_->content.sha256 = state_->sum.hex();
  return state_->content;
}

// -- reading ------------------------------------------------------------------

struct archive_reader::state {
  fs::path file;
  descriptor from;
  std::unique_ptr<ZSTD_DCtx, free_reader> zstd{ZSTD_createDCtx()};
  std::vector<char> bytes = std::vector<char>(read_bytes);
  std::vector<char> out = std::vector<char>(ZSTD_DStreamOutSize());
  ZSTD_inBuffer in{nullptr, 0, 0};
  sha256_sum sum;
  archive_content content;

  /// Whether the end of a frame is where the input is.
  bool complete = false;
  bool ended = false;
};

archive_reader::archive_reader(std::unique_ptr<state> x)
  : state_{std::move(x)} {
}

archive_reader::archive_reader(archive_reader&&) noexcept = default;
archive_reader& archive_reader::operator=(archive_reader&&) noexcept = default;
archive_reader::~archive_reader() = default;

file_result<archive_reader> archive_reader::open(const fs::path& file) {
  auto result = std::make_unique<state>();
  result->file = file;
  result->from = descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (result->from.get() < 0)
    return file_failure(file, "open", errno);
  return archive_reader{std::move(result)};
}

file_result<void> archive_reader::fill() {
  auto& x = *state_;
  for (;;) {
    auto got = ::read(x.from.get(), x.bytes.data(), x.bytes.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return file_failure(x.file, "read", errno);
    auto size = static_cast<std::size_t>(got);
    x.ended = size == 0;
    x.in = {x.bytes.data(), size, 0};
    x.sum.add({x.bytes.data(), size});
    x.content.file_bytes += got;
    return {};
  }
}

file_result<std::string_view> archive_reader::next() {
  auto& x = *state_;
  while (!x.ended) {
    if (x.in.pos == x.in.size) {
      if (auto filled = fill(); !filled)
        return std::unexpected{std::move(filled.error())};
      if (x.ended)
        break;
    }
    ZSTD_outBuffer out{x.out.data(), x.out.size(), 0};
    auto left = ZSTD_decompressStream(x.zstd.get(), &out, &x.in);
    if (ZSTD_isError(left) != 0)
      return std::unexpected{std::format("{} is not whole: {}", x.file.string(),
                                         ZSTD_getErrorName(left))};
    x.complete = left == 0;
    if (out.pos > 0) {
      std::string_view text{x.out.data(), out.pos};
      count(x.content, text);
      return text;
    }
  }
  if (!x.complete)
    return std::unexpected{x.file.string() + " is not whole: its end is gone"};
  if (x.content.sha256.empty())
    x.content.sha256 = x.sum.hex();
  return std::string_view{};
}

archive_content archive_reader::content() {
  return state_->content;
}

file_result<archive_content>
read_archive(const fs::path& file, const std::function<bool()>& goes_on) {
  auto from = archive_reader::open(file);
  if (!from)
    return std::unexpected{std::move(from.error())};
  for (;;) {
    if (goes_on && !goes_on())
      return std::unexpected{"stopped while " + file.string() + " was read"};
    auto piece = from->next();
    if (!piece)
      return std::unexpected{std::move(piece.error())};
    if (piece->empty())
      return from->content();
  }
}

} // namespace millrace
