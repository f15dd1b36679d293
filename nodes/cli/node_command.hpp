#pragma once

#include "nodes/cli/console.hpp"
#include "nodes/node.hpp"

#include <functional>
#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace node` got from the command line.
struct node_arguments {
  std::string config;

  /// In place of `node.name`; empty: what the file says.
  std::string name;
  std::string port_file;
  std::vector<std::string> pack_dirs;
};

/// `run_node`, handed in by `main` so that this library needs no actors.
using node_runner = std::function<int(const config&, const node_options&)>;

/// `millrace node CONFIG`: runs a node until it is told to stop.
exit_code run_node_command(const node_arguments& what,
                           const node_runner& runner, console& to);

} // namespace millrace::cli
