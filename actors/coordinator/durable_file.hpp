#pragma once

// Files that outlive a loss of power once they have their names.

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// A value, or why not: a sentence for a person that names the file.
template <class T>
using file_result = std::expected<T, std::string>;

/// `cannot WHAT FILE: …`, with the words of that errno.
std::unexpected<std::string> file_failure(const std::filesystem::path& file,
                                          const char* what, int error);

/// Owns a descriptor.
class descriptor {
public:
  explicit descriptor(int x = -1) noexcept : x_{x} {
  }
  descriptor(descriptor&& other) noexcept : x_{std::exchange(other.x_, -1)} {
  }
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(x_, other.x_);
    return *this;
  }
  ~descriptor();

  int get() const noexcept {
    return x_;
  }

private:
  int x_;
};

/// An empty file for its owner alone, in the place of what has the name.
file_result<descriptor> create_file(const std::filesystem::path& file);

file_result<void> write_all(const descriptor& to,
                            const std::filesystem::path& file,
                            std::string_view bytes);

file_result<void> sync_file(const std::filesystem::path& file,
                            const descriptor& x);

/// What is in a folder is its own content: names last once it is on the disc.
file_result<void> sync_folder(const std::filesystem::path& folder);

/// Gives a file that is on the disc its name, for good.
file_result<void> publish_file(const std::filesystem::path& from,
                               const std::filesystem::path& to);

/// Writes a small file, under another name first, for good.
file_result<void> write_file(const std::filesystem::path& file,
                             std::string_view text);

/// Makes a folder, and those above it, for good and for its owner alone.
file_result<void> make_folders(const std::filesystem::path& folder);

} // namespace millrace
