#include "nodes/cli/adder.hpp"
#include "nodes/cli/lanes_session_options.hpp"
#include "nodes/cli/partitions_command.hpp"

#include <utility>

namespace millrace::cli {

namespace {

void add_restore(CLI::App& group, adder& all) {
  auto [app, x] = all.add<archive_restore_arguments>(
    group, "restore", "Make tables of archives again", run_partitions_restore);
  app
    ->add_option("MANIFEST", x->manifests,
                 "The .json beside an archive, one or several")
    ->type_name("");
  app
    ->add_option("--as", x->as,
                 "Name of the table, in the schema that the archive is of; "
                 "otherwise that of the partition")
    ->type_name("TABLE");
  app->add_flag("--attach", x->attach,
                "Attach it to its parent, where it stays until `release`");
  add_reason(app, *x);
  add_common(app, *x);
}

void add_release(CLI::App& group, adder& all) {
  auto [app, x]
    = all.add<release_arguments>(group, "release",
                                 "Let a partition that was brought back be "
                                 "removed again",
                                 run_partitions_release);
  app->add_option("PARTITION", x->partition, "SCHEMA.PARTITION")
    ->required()
    ->type_name("");
  add_reason(app, *x);
  add_common(app, *x);
}

} // namespace

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
    return std::pair{app, x};
  };
  add("list", "Every partition with bounds and size, and how far ahead they go",
      run_partitions_list);
  add("plan", "What would be made and removed now, with the SQL",
      run_partitions_plan);
  auto [run, y] = add("run",
                      "Make and remove now what the configuration declares",
                      run_partitions_run);
  add_reason(run, *y);
  auto [app, x] = add("archive",
                      "Put partitions that are older into files, and drop them",
                      run_partitions_archive);
  app->add_option("--older-than", x->older_than, "All that ended so long ago")
    ->required()
    ->type_name("DURATION");
  add_reason(app, *x);
  add_yes(app, *x);
  add_restore(*group, all);
  add_release(*group, all);
}

} // namespace millrace::cli
