#pragma once

// The commands as CLI11 sees them: names, options, help. What they do is
// elsewhere.

#include "nodes/cli/node_command.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace millrace::cli {

/// A command that can be run once the command line has been read.
struct command {
  CLI::App* app;

  /// Whether `--json` was given. Never null.
  std::shared_ptr<bool> json;

  std::function<exit_code(console&)> run;
};

using commands = std::vector<command>;

/// Adds every command to the program, which must live as long as they do.
commands add_commands(CLI::App& root, const node_runner& node);

} // namespace millrace::cli
