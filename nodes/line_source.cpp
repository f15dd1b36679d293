#include "nodes/line_source.hpp"

#include <cerrno>
#include <cstring>
#include <format>
#include <limits>
#include <vector>

#include <fcntl.h>
#include <lzma.h>
#include <unistd.h>

namespace millrace {

namespace {

constexpr std::size_t read_bytes = std::size_t{1} << 20;

/// A file descriptor that is closed, unless it is standard input's.
class descriptor {
public:
  explicit descriptor(int fd) noexcept : fd_{fd} {
  }

  descriptor(const descriptor&) = delete;

  descriptor& operator=(const descriptor&) = delete;

  ~descriptor() {
    if (fd_ > STDIN_FILENO)
      ::close(fd_);
  }

  int get() const noexcept {
    return fd_;
  }

private:
  int fd_;
};

/// Decompresses what it is fed.
class xz_decoder {
public:
  xz_decoder() {
    // More than one stream in a file is allowed, as `xz -dc` does.
    ready_ = lzma_stream_decoder(&stream_, std::numeric_limits<uint64_t>::max(),
                                 LZMA_CONCATENATED)
             == LZMA_OK;
  }

  xz_decoder(const xz_decoder&) = delete;

  xz_decoder& operator=(const xz_decoder&) = delete;

  ~xz_decoder() {
    lzma_end(&stream_);
  }

  bool hungry() const noexcept {
    return stream_.avail_in == 0;
  }

  void feed(const char* data, std::size_t size) noexcept {
    stream_.next_in = reinterpret_cast<const uint8_t*>(data);
    stream_.avail_in = size;
  }

  /// Bytes written to `out`; 0 with `finished` at the end of the text, or
  /// nothing when the data is damaged or ends in the middle.
  std::optional<std::size_t> run(char* out, std::size_t size, bool last_input,
                                 bool& finished) {
    if (!ready_)
      return std::nullopt;
    stream_.next_out = reinterpret_cast<uint8_t*>(out);
    stream_.avail_out = size;
    auto verdict = lzma_code(&stream_, last_input ? LZMA_FINISH : LZMA_RUN);
    if (verdict != LZMA_OK && verdict != LZMA_STREAM_END)
      return std::nullopt;
    finished = verdict == LZMA_STREAM_END;
    return size - stream_.avail_out;
  }

private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ready_ = false;
};

} // namespace

struct line_source::impl {
  impl(std::string name, int fd, bool compressed, bool kept)
    : path{std::move(name)},
      file{fd},
      keep{kept} {
    if (compressed) {
      decoder.emplace();
      packed.resize(read_bytes);
    }
  }

  /// Appends more of the text, or says that it has ended.
  std::expected<void, std::string> refill();

  std::expected<std::size_t, std::string> read(char* data, std::size_t size);

  std::expected<std::size_t, std::string> unpack(char* data, std::size_t size);

  std::string path;
  descriptor file;
  bool keep;
  std::optional<xz_decoder> decoder;
  std::vector<char> packed;
  bool packed_end = false;

  /// [begin, end) of `text` is not handed out yet; padding follows `end`.
  std::vector<char> text;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool text_end = false;
};

line_source::line_source(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

line_source::line_source(line_source&&) noexcept = default;

line_source& line_source::operator=(line_source&&) noexcept = default;

line_source::~line_source() = default;

std::expected<line_source, std::string>
line_source::open(const std::string& path, bool keep) {
  int fd = path == "-" ? STDIN_FILENO
                       : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return std::unexpected{
      std::format("{}: cannot be opened: {}", path, std::strerror(errno))};
  return line_source{
    std::make_unique<impl>(path, fd, path.ends_with(".xz"), keep)};
}

std::expected<std::size_t, std::string>
line_source::impl::read(char* data, std::size_t size) {
  for (;;) {
    auto n = ::read(file.get(), data, size);
    if (n >= 0)
      return static_cast<std::size_t>(n);
    if (errno != EINTR)
      return std::unexpected{
        std::format("{}: cannot be read: {}", path, std::strerror(errno))};
  }
}

std::expected<std::size_t, std::string>
line_source::impl::unpack(char* data, std::size_t size) {
  bool finished = false;
  for (;;) {
    if (decoder->hungry() && !packed_end) {
      auto n = read(packed.data(), packed.size());
      if (!n)
        return n;
      packed_end = *n == 0;
      decoder->feed(packed.data(), *n);
    }
    auto made = decoder->run(data, size, packed_end, finished);
    if (!made)
      return std::unexpected{std::format("{}: is not a whole .xz file", path)};
    if (*made > 0 || finished)
      return *made;
  }
}

std::expected<void, std::string> line_source::impl::refill() {
  if (!keep && begin > 0) {
    std::memmove(text.data(), text.data() + begin, end - begin);
    end -= begin;
    begin = 0;
  }
  if (keep && end > max_kept_bytes)
    return std::unexpected{
      std::format("{}: more than {} bytes cannot be kept for another pass",
                  path, max_kept_bytes)};
  if (end - begin > max_line_bytes)
    return std::unexpected{
      std::format("{}: a line is longer than {} bytes", path, max_line_bytes)};
  if (text.size() < end + read_bytes + padding)
    text.resize(std::max(2 * text.size(), end + read_bytes + padding));
  auto* room = text.data() + end;
  auto n = decoder ? unpack(room, read_bytes) : read(room, read_bytes);
  if (!n)
    return std::unexpected{n.error()};
  end += *n;
  text_end = *n == 0;
  return {};
}

std::expected<std::optional<std::string_view>, std::string>
line_source::next() {
  auto& x = *impl_;
  std::size_t searched = 0;
  for (;;) {
    std::string_view rest{x.text.data() + x.begin, x.end - x.begin};
    auto stop = rest.find('\n', searched);
    if (stop == std::string_view::npos && !x.text_end) {
      searched = rest.size();
      if (auto done = x.refill(); !done)
        return std::unexpected{done.error()};
      continue;
    }
    auto line = rest.substr(0, stop);
    x.begin += line.size() + (stop == std::string_view::npos ? 0 : 1);
    searched = 0;
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    if (!line.empty())
      return line;
    if (stop == std::string_view::npos)
      return std::nullopt;
  }
}

void line_source::rewind() noexcept {
  impl_->begin = 0;
}

} // namespace millrace
