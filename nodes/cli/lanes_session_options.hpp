#pragma once

// Options that `millrace lanes` and `millrace dlq` have in common.

#include "nodes/cli/adder.hpp"
#include "nodes/cli/lanes_session.hpp"

namespace millrace::cli {

inline void add_common(CLI::App* app, admin_arguments& x) {
  app
    ->add_option("--config", x.config,
                 "The node's TOML: it says where PostgreSQL and Kafka are")
    ->type_name("FILE");
  app
    ->add_option("--timeout", x.timeout,
                 "Wait this long at most for a server to answer (5s)")
    ->type_name("DURATION");
  app
    ->add_option("--database", x.database,
                 "Only in this database: postgresql, or the NAME of a "
                 "[database.NAME]")
    ->type_name("NAME");
  add_pack_dir(app, x.pack_dirs);
}

inline void add_reason(CLI::App* app, admin_arguments& x) {
  app
    ->add_option("--reason", x.reason,
                 "Why; kept in millrace.admin_action with who, when and what")
    ->type_name("TEXT");
}

inline void add_yes(CLI::App* app, admin_arguments& x) {
  app->add_flag("--yes", x.yes, "Do not ask");
}

} // namespace millrace::cli
