#pragma once

#include "actors/decode/program.hpp"
#include "nodes/cli/console.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::cli {

/// Which events to show the rows of, for `millrace map` and
/// `millrace validate --explain`.
struct sample_arguments {
  /// JSON lines; see sample_events.hpp.
  std::string events;

  /// Which pipeline; may be empty when there is one.
  std::string pipeline;

  // For lines that are payloads alone.
  std::string topic;
  std::string key;
  std::vector<std::string> headers;

  /// 0: all.
  int64_t limit = 0;
};

/// What `millrace map` got from the command line.
struct map_arguments {
  std::string config;
  sample_arguments samples;
  std::vector<std::string> pack_dirs;
};

/// The pipeline that is meant, or nullptr after telling why there is none.
const pipeline_config* find_pipeline(const config& all, const std::string& name,
                                     console& to);

/// Shows the rows of sample events. With `sources` also types and where each
/// value came from. Fails when an event would be a dead letter.
exit_code show_events(const config& all, const pipeline_config& pipeline,
                      const program_ptr& by, const sample_arguments& what,
                      bool sources, console& to);

/// `millrace map FILE --events FILE`: without a server.
exit_code run_map(const map_arguments& what, console& to);

/// The pipeline compiled for tables that have all columns it names.
program_ptr compile_without_tables(const pipeline_config& pipeline,
                                   console& to);

} // namespace millrace::cli
