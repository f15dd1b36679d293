#pragma once

#include "nodes/cli/console.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace produce` got from the command line.
struct produce_arguments {
  std::string topic;
  std::string input;

  /// Brokers, or a configuration that names them.
  std::string bootstrap;
  std::string config;
  std::vector<std::string> pack_dirs;

  /// `name=value` each.
  std::vector<std::string> properties;
  std::vector<std::string> headers;

  bool recorded = false;
  std::string key;
  std::string timestamp_field;
  double rate = 0;

  /// A number or `forever`.
  std::string repeat = "1";

  int64_t limit = 0;
  int32_t partitions = 0;

  /// A duration.
  std::string timeout = "30s";

  bool quiet = false;
};

/// `millrace produce`: replays a file into a topic. SIGINT and SIGTERM end the
/// replay; what was sent until then is waited for, and that is a success.
exit_code run_produce(const produce_arguments& what, console& to);

} // namespace millrace::cli
