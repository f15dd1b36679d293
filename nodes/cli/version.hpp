#pragma once

#include "nodes/cli/console.hpp"

namespace millrace::cli {

/// Of the program, for example `0.1.0`.
std::string_view version();

/// `millrace version`: the version, how it was built and with what.
exit_code run_version(console& to);

} // namespace millrace::cli
