#pragma once

// The commands below `millrace db`, one line each.

namespace CLI {
class App;
}

namespace millrace::cli {

class adder;

void add_db_backups(CLI::App& group, adder& all);
void add_db_init(CLI::App& group, adder& all);
void add_db_migrate(CLI::App& group, adder& all);
void add_db_stats(CLI::App& group, adder& all);
void add_db_clean(CLI::App& group, adder& all);
void add_db_doctor(CLI::App& group, adder& all);
void add_db_seed(CLI::App& group, adder& all);
void add_db_setup_dev(CLI::App& group, adder& all);
void add_db_reset(CLI::App& group, adder& all);
void add_db_roles(CLI::App& group, adder& all);

} // namespace millrace::cli
