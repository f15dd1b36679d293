#pragma once

#include "nodes/cli/doctor_facts.hpp"
#include "nodes/cli/lanes_session.hpp"

#include <string>
#include <vector>

namespace millrace::cli {

/// What `millrace db doctor` got from the command line.
struct db_doctor_arguments : admin_arguments {
  /// Warnings, too, make the exit code 1.
  bool strict = false;
};

/// Looks at everything of the databases that keeps nodes from their work, now
/// or later. Changes nothing.
exit_code run_db_doctor(const db_doctor_arguments& what, console& to);

/// A line for each finding, and below it what mends it; `sound` where there is
/// none.
std::string doctor_text(const std::string& database,
                        const std::vector<doctor_finding>& all);

} // namespace millrace::cli
