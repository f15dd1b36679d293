#pragma once

#include "actors/coordinator/migration.hpp"

#include <map>
#include <set>
#include <string>

namespace millrace::cli {

/// What migrations have made, by name without schema.
struct made_objects {
  /// Without partitions, which come and go.
  std::set<std::string> tables;

  /// With their tables.
  std::map<std::string, std::string> indexes;
  std::set<std::string> extensions;
};

/// Adds what the file makes and takes away what it drops, as its statements say
/// it: not what they have functions make. Pure.
void add_made(made_objects& to, const migration& file);

} // namespace millrace::cli
