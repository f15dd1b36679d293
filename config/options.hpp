#pragma once

// The declared options. Parsing, validation, help and documentation all come
// from one table, so an option without a description does not exist.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What a value looks like in TOML.
enum class option_type : uint8_t {
  /// A string.
  text,
  /// `true` or `false`.
  boolean,
  /// A whole number within the option's range.
  integer,
  /// A number from 0 to 1.
  ratio,
  /// A string such as "250ms", "5s", "2m" or "1h".
  duration,
  /// A string such as "512B", "64KB" or "1MiB".
  size,
  /// One of the option's choices, as a string.
  choice,
  /// `{ env = "NAME" }` or `{ file = "PATH" }`.
  secret,
  /// A string without password, or what `secret` takes.
  url,
  /// A list of strings, not empty.
  text_list,
  /// A string that holds an expression.
  expression,
  /// A table of settings for a library: strings, numbers, booleans, secrets.
  properties,
  /// A table of names and expressions, in order, not empty.
  columns,
  /// A table of texts and their codes (integers or strings).
  codes,
};

std::string to_string(option_type x);

/// One option as users see it.
struct option {
  /// Key path. `*` stands for a name that the user chooses, `[]` for an
  /// element of a list of tables.
  std::string path{};

  option_type type = option_type::text;

  /// What a value must look like, where type and range do not say it all.
  std::string form{};

  /// As it is written in TOML; empty when there is none.
  std::string default_value{};

  /// Instead of a value: where the default comes from. With both, the value
  /// is that of where it comes from.
  std::string default_note{};

  bool required = false;

  /// Bounds of integers, of durations in milliseconds and of sizes in bytes.
  int64_t least = 0;
  int64_t most = 0;

  /// May stand beside `pack` and override what the pack says.
  bool overrides_pack = false;

  std::vector<std::string> choices{};

  /// One or two sentences. Never empty.
  std::string description{};
};

/// Milliseconds, bytes, or nothing.
std::string_view unit(const option& x);

/// The bounds or choices as text for people, or nothing.
std::string range(const option& x);

/// What a valid value looks like, for people: `an integer from 1 to 1024`.
std::string expected_text(const option& x);

/// Every option there is, in the order of the documentation.
std::span<const option> options();

/// Help for one option, several lines, or nothing when there is no such path.
/// Names in place of `*` are understood: `pipeline.ticks.lanes`.
std::optional<std::string> describe_option(std::string_view path);

/// docs/configuration.md.
std::string options_markdown();

} // namespace millrace
