// Prints docs/configuration.md.

#include "config/options.hpp"

#include <cstdio>

int main() {
  auto text = millrace::options_markdown();
  auto written = std::fwrite(text.data(), 1, text.size(), stdout);
  return written == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
