#pragma once

#include <string>
#include <vector>

namespace millrace::cli {

/// Turns the spellings of other migration tools into ours: `migrate -cmd up`,
/// `migrate -up`, `-version=3`, `-dry-run`, `-verbose`, `-conn URL`. A version
/// beside up or down, before or behind it, is how far that goes. And an option
/// `--database-url` before a command of `db` is one of that command. Words that
/// are none of these stay, and so do those of other commands.
std::vector<std::string>
accept_other_spellings(const std::vector<std::string>& args);

} // namespace millrace::cli
