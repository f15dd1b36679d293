#pragma once

#include "nodes/cli/lanes_session.hpp"

namespace millrace::cli {

/// What `millrace db reset` got from the command line.
struct db_reset_arguments : admin_arguments {
  /// Though a node is alive, or tenants of another configuration are there.
  bool force = false;
};

/// Drops the schemas of all tenants of the configuration and the control
/// schema. Tells what that is, and asks.
exit_code run_db_reset(const db_reset_arguments& what, console& to);

} // namespace millrace::cli
