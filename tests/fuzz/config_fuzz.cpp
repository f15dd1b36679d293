// A configuration file. Its expressions are read, too.

#include "config/load.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <optional>
#include <string>

using namespace millrace;
using namespace millrace::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  load_options outside;
  outside.environment = [](const std::string&) -> std::optional<std::string> {
    return "x";
  };
  auto result = parse_config(std::string{text_of(data, size)}, "fuzz.toml",
                             outside);
  if (!result)
    require(!result.error().empty());
  return 0;
}
