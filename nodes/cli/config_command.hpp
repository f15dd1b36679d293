#pragma once

#include "nodes/cli/console.hpp"

#include <string>

namespace millrace::cli {

/// What `millrace config …` got from the command line.
struct config_arguments {
  /// An option's path, or the name of an example.
  std::string which;
};

/// The documentation of every option, as Markdown.
exit_code run_config_docs(const config_arguments& what, console& to);

/// A configuration to start from.
exit_code run_config_example(const config_arguments& what, console& to);

/// Every option in a line each, or all about one.
exit_code run_config_options(const config_arguments& what, console& to);

} // namespace millrace::cli
