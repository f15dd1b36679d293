#pragma once

// What commands that migrate have in common on the command line.

#include "nodes/cli/migrate_command.hpp"

namespace CLI {
class App;
}

namespace millrace::cli {

/// Which databases, how many tenants at a time, what is told, where packs are.
void add_tenants(CLI::App* app, migrate_arguments& x);

/// How long locks are waited for.
void add_changing(CLI::App* app, migrate_arguments& x);

} // namespace millrace::cli
