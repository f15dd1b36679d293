#pragma once

#include "nodes/cli/console.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace status` got from the command line.
struct status_arguments {
  // One of the three says where the node is; without any, the default port.
  std::string admin;
  std::string config;
  std::string port_file;

  std::vector<std::string> pack_dirs;

  /// Between looks, a duration; empty: one look.
  std::string watch;

  /// For each answer; a duration.
  std::string timeout = "5s";
};

/// `millrace status`: how a running node is. `ok` when it is ready, `failed`
/// when it is not, `unreachable` when no node answers.
exit_code run_status(const status_arguments& what, console& to);

} // namespace millrace::cli
