#pragma once

#include "nodes/cli/explain_command.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace validate` got from the command line.
struct validate_arguments {
  std::vector<std::string> files;
  std::vector<std::string> pack_dirs;

  /// Look at the files alone.
  bool offline = false;

  /// A server that does not answer is a failure.
  bool require_servers = false;

  /// For each answer of a server; a duration.
  std::string timeout = "5s";

  /// Show what each of these events would write, and why; of one file.
  bool explain = false;
  sample_arguments samples;
};

/// `millrace validate FILE…`: everything that is wrong, at once.
exit_code run_validate(const validate_arguments& what, console& to);

} // namespace millrace::cli
