#pragma once

// Completion scripts, from a description of the command line. Pure.

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::cli {

/// What a shell can offer for a value.
enum class value_kind : uint8_t { anything, file, folder, choice };

/// An option or an argument as a shell needs to know it.
struct option_shape {
  /// `--json`, or `-X`; the argument's own name for a positional one.
  std::vector<std::string> names;

  std::string description;

  /// Flags take none.
  bool takes_value = false;

  bool repeatable = false;
  value_kind kind = value_kind::anything;
  std::vector<std::string> choices;
};

struct command_shape {
  std::string name;
  std::string description;
  std::vector<option_shape> options;
  std::vector<option_shape> arguments;
  std::vector<command_shape> commands;
};

std::string bash_completion(const command_shape& root);

std::string zsh_completion(const command_shape& root);

} // namespace millrace::cli
