#pragma once

#include "config/config.hpp"

#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Something wrong in a configuration: where, what was found and what was
/// expected instead. Never holds a secret.
struct problem {
  source_position at;

  /// The key, for example `postgresql.port`; empty for the file as a whole.
  std::string path;

  std::string found;
  std::string expected;

  /// How to mend it, or empty.
  std::string hint;
};

/// `file:line:column: path: found …, expected …`, then `; hint` if any.
std::string to_string(const problem& x);

/// What a configuration may refer to outside its own text.
struct load_options {
  /// Where `pack = "ticks"` looks for `ticks.toml`, in this order.
  std::vector<std::filesystem::path> pack_directories;

  /// In place of `node.name` in the file; empty: what the file says.
  std::string node_name;

  /// In place of where the file's [postgresql] says that the server is, and as
  /// whom it is used; may hold a password. Empty: what the file says.
  std::string postgresql_url;

  /// The environment; nothing when the variable is not set. The process's own
  /// environment unless given.
  std::function<std::optional<std::string>(const std::string&)> environment;

  /// A variable of that environment; nothing when it is not set.
  std::optional<std::string> variable(const std::string& name) const;

  /// What is wrong with a property of librdkafka and its value, or nothing.
  /// Must not tell the value, which may be a password. Unless given, only
  /// properties that the protocol owns are refused.
  std::function<std::optional<std::string>(const std::string& name,
                                           const std::string& value)>
    property_fault;
};

using load_result = std::expected<config, std::vector<problem>>;

/// Reads and checks one file: all problems at once, in the order of the file.
/// A file above 1 MiB, and anything that is not a regular file, is refused
/// without reading it.
load_result load_config(const std::filesystem::path& file,
                        const load_options& options = {});

/// The same for a text. `name` stands for the file in problems; relative
/// paths in the text start from the folder of `name`.
load_result parse_config(std::string_view text, const std::string& name,
                         const load_options& options = {});

} // namespace millrace
