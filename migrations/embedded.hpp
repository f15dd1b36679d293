#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A migration file as it was when the binary was built.
struct embedded_migration {
  /// "control", or the name of a pack.
  std::string_view set;

  /// "NNN_words.sql".
  std::string_view name;

  std::string_view text;
};

/// All files, by set and name.
std::span<const embedded_migration> embedded_migrations();

/// The files of one set, by name; empty when there is no such set.
std::vector<embedded_migration> embedded_migrations(std::string_view set);

} // namespace millrace
