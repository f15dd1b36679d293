#pragma once

#include <span>
#include <string_view>

namespace millrace::cli {

/// A file of config/examples as it was when the binary was built.
struct example {
  std::string_view name;
  std::string_view text;
};

/// The first one is the smallest.
std::span<const example> examples();

} // namespace millrace::cli
