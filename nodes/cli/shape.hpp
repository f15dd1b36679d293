#pragma once

#include "nodes/cli/completion.hpp"

namespace CLI {
class App;
}

namespace millrace::cli {

/// Describes a command and all below it for completion scripts.
command_shape shape_of(const CLI::App& app);

} // namespace millrace::cli
