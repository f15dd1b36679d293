#pragma once

#include "config/config.hpp"

#include <expected>
#include <functional>
#include <string>

namespace millrace {

/// What the command line adds to the configuration of a node.
struct node_options {
  /// Gets the admin port once it is open, by rename; empty: no file.
  std::string port_file;

  /// Of the program, for its pages.
  std::string version;

  /// Reads the configuration again; an error is text for a person. Unset: the
  /// node keeps the one it has.
  std::function<std::expected<config, std::string>()> load_again;
};

/// Runs a node until SIGTERM or SIGINT, or until its supervisors give up.
///
/// SIGHUP makes it read its configuration again and start its tree anew. The
/// same happens by itself when a pipeline's map was changed in the database and
/// the file on disk has the new one by now. A file that cannot be used changes
/// nothing, and the log says why.
///
/// The first other signal stops it in order within `node.grace`; a second one
/// ends the process at once. Returns the process's exit code: 0 after an
/// orderly stop, 2 when configuration and tables do not fit, 70 after an
/// escalation. Blocks the signals in the calling thread, so call it from `main`
/// before any other thread exists.
int run_node(const config& all, const node_options& options);

} // namespace millrace
