#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace millrace::test {

/// A folder of one test's own, removed at the end.
class scratch_folder {
public:
  scratch_folder()
    : path_{
        (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string()} {
    if (::mkdtemp(path_.data()) == nullptr)
      throw std::runtime_error{"cannot make a folder like " + path_};
  }

  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const noexcept {
    return path_;
  }

  /// What is called so in the folder.
  std::filesystem::path operator/(std::string_view name) const {
    return std::filesystem::path{path_} / name;
  }

  /// Writes a file into the folder and returns its path.
  std::string write(const std::string& name, std::string_view text) const {
    auto file = path_ + '/' + name;
    std::ofstream{file, std::ios::binary} << text;
    return file;
  }

private:
  std::string path_;
};

} // namespace millrace::test
