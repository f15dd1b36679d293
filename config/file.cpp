#include "config/file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <format>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace millrace {

namespace {

class file_handle {
public:
  explicit file_handle(int fd) : fd_{fd} {
  }

  file_handle(const file_handle&) = delete;
  file_handle& operator=(const file_handle&) = delete;

  ~file_handle() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  int get() const noexcept {
    return fd_;
  }

private:
  int fd_;
};

std::string last_error() {
  auto text = std::generic_category().message(errno);
  if (!text.empty() && text.front() >= 'A' && text.front() <= 'Z')
    text.front() = static_cast<char>(text.front() + ('a' - 'A'));
  return text;
}

std::string kind_of(mode_t mode) {
  if (S_ISDIR(mode))
    return "a directory";
  if (S_ISFIFO(mode))
    return "a FIFO";
  if (S_ISSOCK(mode))
    return "a socket";
  return "a device";
}

} // namespace

std::expected<std::string, std::string>
read_regular_file(const std::filesystem::path& file, std::size_t limit_bytes) {
  struct stat info{};
  // Looked at by name first: to open a device can have effects.
  if (::stat(file.c_str(), &info) != 0)
    return std::unexpected{last_error()};
  if (!S_ISREG(info.st_mode))
    return std::unexpected{kind_of(info.st_mode)};
  file_handle handle{
    ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (handle.get() < 0)
    return std::unexpected{last_error()};
  if (::fstat(handle.get(), &info) != 0)
    return std::unexpected{last_error()};
  if (!S_ISREG(info.st_mode))
    return std::unexpected{kind_of(info.st_mode)};
  auto size = static_cast<std::size_t>(info.st_size);
  if (size > limit_bytes)
    return std::unexpected{std::format("{} bytes", size)};
  std::string text(limit_bytes + 1, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    auto n = ::read(handle.get(), text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return std::unexpected{last_error()};
    if (n == 0)
      break;
    used += static_cast<std::size_t>(n);
  }
  // Files in /proc say that they are empty, and others may grow meanwhile.
  if (used > limit_bytes)
    return std::unexpected{std::format("more than {} bytes", limit_bytes)};
  text.resize(used);
  return text;
}

} // namespace millrace
