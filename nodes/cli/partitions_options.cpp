#include "nodes/cli/adder.hpp"
#include "nodes/cli/lanes_session_options.hpp"
#include "nodes/cli/partitions_command.hpp"

namespace millrace::cli {

void add_partitions(CLI::App& root, adder& all) {
  auto* group
    = root.add_subcommand("partitions",
                          "Look at the partitions of tables by time, and make "
                          "or remove them now");
  group->require_subcommand(1);
  auto add = [&](const char* name, const char* description, auto run) {
    auto [app, x] = all.add<partitions_arguments>(*group, name, description,
                                                  run);
    app
      ->add_option("--pipeline", x->pipeline,
                   "Only tables that this pipeline declares")
      ->type_name("NAME");
    app->add_option("--tenant", x->tenant, "Only tables of this tenant")
      ->type_name("NAME");
    app
      ->add_option("--table", x->table,
                   "Only tables of this name, without schema")
      ->type_name("NAME");
    add_common(app, *x);
  };
  add("list", "Every partition with bounds and size, and how far ahead they go",
      run_partitions_list);
  add("plan", "What would be made and removed now, with the SQL",
      run_partitions_plan);
  add("run", "Make and remove now what the configuration declares",
      run_partitions_run);
}

} // namespace millrace::cli
