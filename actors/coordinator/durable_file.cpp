#include "actors/coordinator/durable_file.hpp"

#include <cerrno>
#include <format>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace millrace {

namespace fs = std::filesystem;

std::unexpected<std::string> file_failure(const fs::path& file,
                                          const char* what, int error) {
  return std::unexpected{std::format("cannot {} {}: {}", what, file.string(),
                                     std::generic_category().message(error))};
}

descriptor::~descriptor() {
  if (x_ >= 0)
    ::close(x_);
}

file_result<void> write_all(const descriptor& to, const fs::path& file,
                            std::string_view bytes) {
  while (!bytes.empty()) {
    auto done = ::write(to.get(), bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return file_failure(file, "write", errno);
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

file_result<descriptor> create_file(const fs::path& file) {
  descriptor result{
    ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (result.get() < 0)
    return file_failure(file, "make", errno);
  return result;
}

file_result<void> sync_file(const fs::path& file, const descriptor& x) {
  if (::fsync(x.get()) != 0)
    return file_failure(file, "put on the disc", errno);
  return {};
}

file_result<void> sync_folder(const fs::path& folder) {
  descriptor x{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (x.get() < 0)
    return file_failure(folder, "open", errno);
  return sync_file(folder, x);
}

file_result<void> publish_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return file_failure(to, "make", errno);
  return sync_folder(to.parent_path());
}

file_result<void> write_file(const fs::path& file, std::string_view text) {
  auto fresh = file;
  fresh += ".tmp";
  auto to = create_file(fresh);
  if (!to)
    return std::unexpected{std::move(to.error())};
  auto done = write_all(*to, fresh, text);
  if (done)
    done = sync_file(fresh, *to);
  return done ? publish_file(fresh, file) : done;
}

file_result<void> make_folders(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error))
    return {};
  if (folder.has_parent_path() && folder.parent_path() != folder)
    if (auto above = make_folders(folder.parent_path()); !above)
      return above;
  if (!fs::create_directory(folder, error) && error)
    return file_failure(folder, "make", error.value());
  // Rows of a tenant: for nobody else.
  fs::permissions(folder, fs::perms::owner_all, error);
  if (error)
    return file_failure(folder, "close to others", error.value());
  return sync_folder(folder.parent_path());
}

} // namespace millrace
