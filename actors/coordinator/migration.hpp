#pragma once

// Migration files and what a schema's history says of them. Plain data and
// pure functions: nothing here asks a server.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One file, taken apart: `NNN_words.sql`, or `R_words.sql` for one that is
/// applied again whenever it has changed.
struct migration {
  /// 0 for one that is repeatable.
  int32_t version = 0;

  /// The file's name without number and ending.
  std::string name;

  /// What its lines `-- description:` and `-- author:` say.
  std::string description;
  std::string author;

  /// The sections `-- millrace:up` and `-- millrace:down`.
  std::string up;
  std::string down;

  /// SHA-256 of the whole file, lower-case hex.
  std::string checksum;

  /// One transaction, or, with `-- millrace:no-transaction`, statement by
  /// statement.
  bool in_transaction = true;

  bool repeatable() const noexcept {
    return version == 0;
  }

  /// Reference rows, `R_rows_words.sql`, that may be written again at any time.
  bool holds_rows() const {
    return repeatable() && (name == "rows" || name.starts_with("rows_"));
  }
};

/// The files of one set: `control`, a pack's, or a user's own.
struct migration_set {
  std::string name;

  /// By version; 1, 2, 3, … without gaps where there are no problems.
  std::vector<migration> files;

  /// By name.
  std::vector<migration> repeatables = {};

  /// Sentences for people: what is wrong with the files. Such a set is applied
  /// nowhere.
  std::vector<std::string> problems = {};
};

/// `set/NNN_words.sql`
std::string file_of(std::string_view set, const migration& x);

/// Takes one file apart. An error says which file and what is wrong with it.
std::expected<migration, std::string> parse_migration(std::string_view file,
                                                      std::string_view text);

/// The set that was built in. An error: there is no such set.
std::expected<migration_set, std::string>
load_embedded_migrations(std::string_view set);

/// The set in a folder; files that do not end in `.sql` are ignored. An error:
/// the folder cannot be read. A file that is wrong, and a number that is
/// missing or there twice, are problems of the set.
std::expected<migration_set, std::string>
load_migrations(std::string_view set, const std::string& folder);

/// Writes a file to begin with into the folder, under the next free number (or
/// as a repeatable one), and returns its path. `words` becomes the name.
std::expected<std::string, std::string>
new_migration(const std::string& folder, std::string_view words,
              std::string_view author, bool repeatable);

} // namespace millrace
