#pragma once

#include "tests/checker/database.hpp"
#include "tests/checker/ledger.hpp"
#include "tests/checker/log_reader.hpp"

#include <chrono>
#include <functional>

namespace millrace_check {

struct check_config {
  std::string bootstrap;
  std::vector<std::pair<std::string, std::string>> kafka_properties;
  std::string topic = "ticks";

  std::string database_url;
  std::string pipeline = "ticks";

  /// Each tenant's schema; a record's row is in exactly one of them.
  std::vector<std::string> schemas{"tenant_demo"};

  /// The pack's TOML file; empty: the code table is read from `symbols`.
  std::string pack;

  /// Wait so long for the lanes to reach the end of the log.
  std::chrono::milliseconds wait{0};

  /// Lanes may be behind: then only what is below their effective offsets is
  /// held against the tables.
  bool allow_lag = false;

  std::size_t max_examples = 10;

  std::function<void(std::string_view)> on_progress;
};

/// A lane that is not where the log ends.
struct lane_finding {
  lane_position lane;
  int64_t end = 0;
};

/// A finding, and what should have been there.
struct example {
  finding what;
  std::string expected;
};

struct check_report {
  std::map<int32_t, log_range> ranges;
  int64_t records = 0;
  int64_t rows_due = 0;
  int64_t rows_found = 0;
  int64_t dead_letters_due = 0;
  int64_t dead_letters_found = 0;
  int64_t missing = 0;
  int64_t twice = 0;
  int64_t different = 0;
  int64_t unexpected = 0;
  int64_t pending = 0;
  int64_t unverifiable = 0;

  std::size_t lanes = 0;
  std::vector<lane_finding> lanes_behind;
  std::vector<lane_finding> lanes_beyond;
  std::vector<lane_finding> lanes_inactive;

  /// Names whose id in `symbols` differs from the pack's, or is not there.
  std::vector<std::string> symbols_differ;

  std::vector<example> examples;
  double seconds = 0;

  bool ok = false;
};

/// Reads the log and the tables and sets one against the other. Throws
/// `cannot_check` when that cannot be done.
check_report run_check(const check_config& config);

/// The table `[pipeline.NAME.codes.symbols]` of a pack.
code_table read_pack(const std::string& path, const std::string& pipeline);

std::string to_text(const check_report& report);

std::string to_json(const check_report& report);

} // namespace millrace_check
