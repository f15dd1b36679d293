#pragma once

#include "config/load.hpp"
#include "tests/support/scratch_folder.hpp"

#include <filesystem>
#include <string>
#include <string_view>

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

} // namespace millrace::test
