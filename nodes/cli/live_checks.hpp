#pragma once

#include "actors/decode/program.hpp"
#include "nodes/cli/console.hpp"

#include <chrono>

namespace millrace::cli {

/// What the servers of a configuration said about it.
struct live_report {
  findings all;

  /// A server did not answer, so that something is left unchecked; a warning
  /// in `all` says what.
  bool unreachable = false;
};

/// In one database: whether the migrations are applied, and whether the
/// mappings fit the tables that are there. Changes nothing. Tables that a
/// pending migration would make are not asked for.
live_report check_live_database(const config& all,
                                const postgresql_config& database,
                                std::chrono::milliseconds patience);

/// Whether every topic is there and has an id. Nothing for an embedded broker.
live_report check_live_kafka(const config& all,
                             std::chrono::milliseconds patience);

/// The pipeline compiled for the live tables, or nullptr when they cannot be
/// asked or do not fit.
program_ptr live_program(const config& all, const pipeline_config& pipeline,
                         std::chrono::milliseconds patience);

} // namespace millrace::cli
