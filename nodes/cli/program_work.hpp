#pragma once

#include "nodes/cli/child_program.hpp"
#include "nodes/cli/lanes_session.hpp"

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// pg_dump or pg_restore at work, which are told to be verbose.
struct program_work {
  /// In front of what is told of it.
  std::string title;
  std::vector<std::string> command;
  child_program::variables environment;

  /// In the line that it prints for each table.
  std::string_view table_line;
  std::size_t tables = 0;
};

/// Runs it to its end and tells every few seconds how far it is. What it says
/// of an error is the failure's text.
admin_result<void> run_work(const program_work& x, console& to,
                            const std::stop_token& stop);

} // namespace millrace::cli
