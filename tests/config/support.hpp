#pragma once

#include "config/load.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <unistd.h>

namespace millrace::test {

inline const std::filesystem::path source_dir = MILLRACE_SOURCE_DIR;

/// The bundled packs, and an environment that holds `SET` and `EMPTY` only.
inline load_options outside() {
  load_options result;
  result.pack_directories = {source_dir / "config/packs"};
  result.environment
    = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SET")
      return "t0p-s3cret";
    if (name == "SET_URL")
      return "postgresql://u:t0p-s3cret@h/d";
    if (name == "EMPTY")
      return "";
    return std::nullopt;
  };
  return result;
}

/// The problems as text, one a line.
inline std::string messages(const load_result& x) {
  std::string result;
  if (!x)
    for (const auto& problem : x.error())
      result += to_string(problem) + "\n";
  return result;
}

/// A folder of its own, removed at the end.
class scratch_folder {
public:
  scratch_folder() {
    auto name
      = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }

  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const noexcept {
    return path_;
  }

private:
  std::filesystem::path path_;
};

} // namespace millrace::test
