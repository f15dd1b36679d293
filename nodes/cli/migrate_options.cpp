#include "nodes/cli/migrate_options.hpp"

#include "nodes/cli/adder.hpp"

namespace millrace::cli {

void add_tenants(CLI::App* app, migrate_arguments& x) {
  app
    ->add_option("--database", x.database,
                 "Only this database of the configuration: postgresql, or the "
                 "NAME of a [database.NAME]")
    ->type_name("NAME");
  app
    ->add_option("--parallel", x.parallel,
                 "How many tenants at a time (4); one that fails does not stop "
                 "the others")
    ->type_name("NUMBER");
  app->add_flag("--verbose", x.verbose, "Tell every step");
  add_pack_dir(app, x.pack_dirs);
}

void add_changing(CLI::App* app, migrate_arguments& x) {
  app
    ->add_option("--lock-timeout", x.lock_timeout,
                 "Wait this long for a lock before others get their turn and "
                 "it is tried again (as configured, else 5s)")
    ->type_name("DURATION");
}

namespace {

void add_place(CLI::App* app, migrate_arguments& x) {
  app
    ->add_option("--config", x.config,
                 "Migrate what this TOML needs: the control schema, and the "
                 "packs of its pipelines for every tenant")
    ->type_name("FILE");
  app
    ->add_option("--pg-env", x.pg_env,
                 "Without --config: the variable of the environment that "
                 "holds PostgreSQL's URL (DATABASE_URL)")
    ->type_name("VARIABLE");
  app
    ->add_option("--conn", x.conn,
                 "PostgreSQL's URL itself; everybody on the machine can read "
                 "it, so it should hold no password")
    ->type_name("URL");
  app
    ->add_option("--set,--pack", x.set,
                 "Only this set of migrations: control, a pack's, or one of "
                 "your own")
    ->type_name("NAME");
  app
    ->add_option("--dir", x.dir,
                 "Take the files of --set from this folder, not from the "
                 "program")
    ->type_name("FOLDER");
  app->add_option("--schema", x.schema, "Without --config: where --set belongs")
    ->type_name("NAME");
  app
    ->add_option("--tenant", x.tenant,
                 "Without --config: whose schema it is (tenant_NAME); with it: "
                 "only this tenant")
    ->type_name("NAME");
  add_tenants(app, x);
}

void add_dry_run(CLI::App* app, migrate_arguments& x) {
  app->add_flag("--dry-run", x.dry_run,
                "Tell the SQL, and per statement which locks it takes and "
                "which tables it writes anew; changes nothing");
}

void add_new(CLI::App& group, adder& all) {
  auto [app, x] = all.add<new_migration_arguments>(
    group, "new", "Write a file to begin with, under the next number",
    run_migrate_new);
  app->add_option("WORDS", x->words, "What it is about")
    ->type_name("TEXT")
    ->required();
  app->add_option("--dir", x->dir, "The folder of the set")
    ->type_name("FOLDER")
    ->required();
  app->add_option("--author", x->author, "Who writes it")->type_name("NAME");
  app->add_flag("--repeatable", x->repeatable,
                "One without a number, applied whenever it has changed");
}

} // namespace

void add_migrate(CLI::App& root, adder& all) {
  auto* group = root.add_subcommand("migrate",
                                    "Apply or look at schema migrations");
  group->require_subcommand(1);
  add_new(*group, all);
  auto add = [&](const char* name, const char* description, auto run) {
    auto added = all.add<migrate_arguments>(*group, name, description, run);
    add_place(added.app, *added.args);
    return added;
  };
  auto changing = [&](const char* name, const char* description, auto run) {
    auto added = add(name, description, run);
    add_changing(added.app, *added.args);
    return added;
  };
  auto running = [&](const char* name, const char* description, auto run) {
    auto added = changing(name, description, run);
    add_dry_run(added.app, *added.args);
    return added;
  };
  auto init = changing("init",
                       "Make the schemas and their histories, and nothing else",
                       run_migrate_init);
  init.app->add_flag("--dry-run", init.args->dry_run,
                     "Tell the SQL; changes nothing");
  running("up", "Apply what is missing", run_migrate_up);
  auto down = running("down", "Take back the newest of one set",
                      run_migrate_down);
  down.app->add_option("COUNT", down.args->number, "How many (1)")
    ->type_name("NUMBER");
  running("redo", "Take back the newest of one set and apply it again",
          run_migrate_redo);
  auto to = running("to", "Bring one set up or back to a version",
                    run_migrate_to);
  to.app->add_option("VERSION", to.args->number, "Its number; 0: none of them")
    ->type_name("NUMBER")
    ->required();
  to.app
    ->add_option("--only", to.args->only,
                 "Refuse where the way there is the other one: up or down")
    ->type_name("DIRECTION")
    ->check(CLI::IsMember({"up", "down"}));
  add("status", "Tell what is applied and what is not; changes nothing",
      run_migrate_status);
  auto verify = add("verify", "Tell everything that is wrong; changes nothing",
                    run_migrate_verify);
  verify.app->add_flag("--deep", verify.args->deep,
                       "Run what is applied again in an empty database beside "
                       "this one, and tell what differs");
  auto baseline = changing("baseline",
                           "Write down that a set is applied, without running "
                           "it",
                           run_migrate_baseline);
  baseline.app
    ->add_option("--version", baseline.args->number, "Up to this number")
    ->type_name("NUMBER")
    ->required();
}

} // namespace millrace::cli
