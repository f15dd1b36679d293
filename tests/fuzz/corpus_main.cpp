// Runs a fuzz target over the files of the folders that are named: what a
// fuzzer has found once is an ordinary test from then on.

#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i)
    for (const auto& x : std::filesystem::directory_iterator{argv[i]})
      files.push_back(x.path());
  std::ranges::sort(files);
  for (const auto& file : files) {
    std::ifstream in{file, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    // Said before it runs: a crash names its file.
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()),
                           text.size());
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
