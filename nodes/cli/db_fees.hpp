#pragma once

#include "nodes/cli/lanes_session.hpp"

#include <string>
#include <string_view>

namespace millrace::cli {

/// What `millrace db update-fees` got from the command line.
struct db_fees_arguments : admin_arguments {
  /// Only this tenant; empty: all that know exchanges.
  std::string tenant;

  /// Its name.
  std::string exchange;

  // Ratios as decimal numbers; empty: as it was.
  std::string maker;
  std::string taker;
};

/// Whether it is a fee as this command takes it: digits with a point, and a
/// minus for a rebate. Pure.
bool is_fee(std::string_view x);

/// Changes the fees of an exchange in the table `exchanges` of the set
/// `perps-stats`, and tells what they were.
exit_code run_db_update_fees(const db_fees_arguments& what, console& to);

} // namespace millrace::cli
