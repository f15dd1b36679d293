#pragma once

#include "nodes/cli/node_command.hpp"

namespace millrace::cli {

/// The whole program behind `main`: reads the command line, runs the command
/// and returns what the process ends with. Never throws.
int run(int argc, const char* const* argv, const node_runner& node);

} // namespace millrace::cli
