#pragma once

// What `millrace partitions list` and `plan` print. Pure.

#include "actors/coordinator/partition_catalog.hpp"
#include "actors/coordinator/partition_steps.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// A declared table as its database has it.
struct table_view {
  partition_policy policy;

  /// As the configuration names it.
  std::string database;

  /// Why it cannot be told; then nothing below has a meaning.
  std::string error;

  known_table table;
  std::vector<partition_size> sizes;
  std::vector<begun_removal> removals;
  partition_plan plan;
  partition_reach reach;
};

/// Whether there is nothing that keeps its partitions from being looked after.
bool is_sound(const table_view& x);

/// A head line per table, and a line per partition: those that are there, and
/// those that are to be made.
std::string list_text(const std::vector<table_view>& all);
std::string list_json(const std::vector<table_view>& all);

/// Per table the steps, with their SQL.
std::string plan_text(const std::vector<table_view>& all);
std::string plan_json(const std::vector<table_view>& all);

/// `14 of 14 ahead, until 2026-12-06 00:00:00+00`
std::string reach_text(const partition_reach& x, partition_key_type key);

} // namespace millrace::cli
