#pragma once

#include <array>
#include <string_view>

namespace millrace::cli {

/// What the process says to whoever started it. Part of the interface: shown
/// by `millrace --help` and docs/cli.md, and never given another meaning.
enum class exit_code : int {
  ok = 0,
  failed = 1,
  usage = 2,
  unreachable = 3,
  internal = 70,
};

struct exit_code_info {
  exit_code code;
  std::string_view meaning;
};

inline constexpr std::array exit_codes{
  exit_code_info{exit_code::ok, "The job is done; for `status`: ready."},
  exit_code_info{exit_code::failed, "The job failed; for `status`: not ready."},
  exit_code_info{exit_code::usage,
                 "The configuration or the command line is wrong."},
  exit_code_info{exit_code::unreachable,
                 "PostgreSQL, Kafka or the admin port cannot be reached."},
  exit_code_info{exit_code::internal,
                 "A defect, or a node whose supervisors gave up."},
};

} // namespace millrace::cli
