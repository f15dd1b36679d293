#include "nodes/cli/db_options.hpp"

#include "nodes/cli/adder.hpp"
#include "nodes/cli/db_clean.hpp"
#include "nodes/cli/db_doctor.hpp"
#include "nodes/cli/db_fees.hpp"
#include "nodes/cli/db_init.hpp"
#include "nodes/cli/db_reset.hpp"
#include "nodes/cli/db_roles.hpp"
#include "nodes/cli/db_seed.hpp"
#include "nodes/cli/db_setup.hpp"
#include "nodes/cli/db_stats.hpp"
#include "nodes/cli/lanes_session_options.hpp"
#include "nodes/cli/migrate_options.hpp"

namespace millrace::cli {

namespace {

/// Also accepted before the command's name, see `accept_other_spellings`.
void add_database_url(CLI::App* app, std::string& to) {
  app
    ->add_option("--database-url", to,
                 "PostgreSQL's URL, in place of what --config says of it; "
                 "everybody on the machine can read it, so it should hold no "
                 "password")
    ->type_name("URL");
}

void add_db_common(CLI::App* app, admin_arguments& x) {
  add_common(app, x);
  add_database_url(app, x.database_url);
}

void add_db_place(CLI::App* app, migrate_arguments& x) {
  app
    ->add_option("--config", x.config,
                 "The node's TOML: it says where PostgreSQL is, and which "
                 "tables are needed")
    ->type_name("FILE");
  add_database_url(app, x.database_url);
  app->add_option("--tenant", x.tenant, "Only this tenant")->type_name("NAME");
  add_tenants(app, x);
  add_changing(app, x);
}

void add_sets(CLI::App* app, migrate_arguments& x) {
  add_each(app, "--set", x.sets_beside,
           "A set of the program beside those of the packs, for every tenant "
           "(repeatable)")
    ->type_name("NAME");
}

void add_days(CLI::App* app, db_init_arguments& x) {
  app
    ->add_option("--create-partitions-days", x.days,
                 "Partitions of so many days from today on (7); 0: none")
    ->type_name("NUMBER");
}

void add_prefix(CLI::App* app, std::string& to) {
  app->add_option("--prefix", to, "Names of roles begin with it (millrace)")
    ->type_name("NAME");
}

} // namespace

void add_db_init(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_init_arguments>(
    group, "init",
    "Make what the configuration names: schemas, tables, partitions",
    run_db_init);
  add_db_place(app, x->migrate);
  add_sets(app, x->migrate);
  add_days(app, *x);
}

void add_db_migrate(CLI::App& group, adder& all) {
  auto [app, x] = all.add<migrate_arguments>(
    group, "migrate", "Apply missing migrations, as `millrace migrate up`",
    run_migrate_up);
  add_db_place(app, *x);
  app->add_flag("--dry-run", x->dry_run, "Tell the SQL; changes nothing");
}

void add_db_stats(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_stats_arguments>(
    group, "stats", "What the tenants' tables hold: rows, sizes, times",
    run_db_stats);
  app->add_option("--tenant", x->tenant, "Only this tenant")->type_name("NAME");
  app->add_option("-f,--format", x->format, "table or json (table)")
    ->type_name("FORMAT")
    ->check(CLI::IsMember({"table", "json"}));
  app->add_flag("--estimate", x->estimate,
                "Count nothing: rows are what the statistics say");
  add_db_common(app, *x);
}

void add_db_clean(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_clean_arguments>(
    group, "clean", "Remove what is old from tables that grow with time",
    run_db_clean);
  app
    ->add_option("--older-than", x->older_than,
                 "Rows from before now and so many days; partitions that are "
                 "older as a whole are dropped")
    ->type_name("DAYS");
  app
    ->add_option("--drop-partitions-older-than", x->drop_partitions_older_than,
                 "Partitions of days before today and so many days")
    ->type_name("DAYS");
  app->add_flag("--truncate", x->truncate, "All rows of these tables");
  app->add_option("--tenant", x->tenant, "Only this tenant")->type_name("NAME");
  app
    ->add_option("--table", x->table,
                 "Only tables of this name, without schema")
    ->type_name("NAME");
  app->add_flag("--dry-run", x->dry_run, "Tell what would go");
  app
    ->add_option("--batch", x->batch,
                 "Delete so many rows in one transaction (10000)")
    ->type_name("NUMBER");
  add_reason(app, *x);
  add_yes(app, *x);
  add_db_common(app, *x);
}

void add_db_doctor(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_doctor_arguments>(
    group, "doctor", "What is wrong with the databases, and what mends it",
    run_db_doctor);
  app->add_flag("--strict", x->strict, "Warnings make the exit code 1, too");
  add_db_common(app, *x);
}

void add_db_seed(CLI::App& group, adder& all) {
  auto [app, x] = all.add<migrate_arguments>(
    group, "seed",
    "Write the reference rows of the packs again, as this program has them",
    run_db_seed);
  add_db_place(app, *x);
  add_sets(app, *x);
}

void add_db_setup_dev(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_setup_arguments>(
    group, "setup-dev",
    "Make all that a developer needs: databases, tables, partitions, roles",
    run_db_setup_dev);
  add_db_place(app, x->init.migrate);
  add_sets(app, x->init.migrate);
  add_days(app, x->init);
  add_prefix(app, x->prefix);
}

void add_db_reset(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_reset_arguments>(
    group, "reset", "Drop the tenants' schemas and the control schema",
    run_db_reset);
  app->add_flag("--force", x->force,
                "Though a node is alive, or others' tenants are there");
  add_yes(app, *x);
  add_db_common(app, *x);
}

void add_db_roles(CLI::App& group, adder& all) {
  auto* roles = group.add_subcommand("roles",
                                     "Roles that may write, or read, and no "
                                     "more");
  roles->require_subcommand(1);
  auto [plan, p] = all.add<db_roles_arguments>(
    *roles, "plan", "The statements that make them; changes nothing",
    run_db_roles_plan);
  add_prefix(plan, p->prefix);
  add_db_common(plan, *p);
  auto [apply, a] = all.add<db_roles_arguments>(
    *roles, "apply", "Make them, and grant what they need", run_db_roles_apply);
  add_prefix(apply, a->prefix);
  add_reason(apply, *a);
  add_db_common(apply, *a);
}

void add_db_update_fees(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_fees_arguments>(
    group, "update-fees", "Change the fees of an exchange of perps-stats",
    run_db_update_fees);
  app->add_option("-e,--exchange", x->exchange, "Whose they are")
    ->type_name("NAME");
  app
    ->add_option("-m,--maker", x->maker,
                 "Of makers, as a ratio; below 0: a rebate (as it is)")
    ->type_name("RATIO");
  app->add_option("-t,--taker", x->taker, "Of takers, as a ratio (as it is)")
    ->type_name("RATIO");
  app->add_option("--tenant", x->tenant, "Only this tenant")->type_name("NAME");
  add_reason(app, *x);
  add_db_common(app, *x);
}

void add_db(CLI::App& root, adder& all) {
  auto* group = root.add_subcommand("db",
                                    "Make, look at and clean the databases");
  group->require_subcommand(1);
  add_db_backups(*group, all);
  add_db_init(*group, all);
  add_db_migrate(*group, all);
  add_db_stats(*group, all);
  add_db_clean(*group, all);
  add_db_doctor(*group, all);
  add_db_seed(*group, all);
  add_db_setup_dev(*group, all);
  add_db_reset(*group, all);
  add_db_roles(*group, all);
  add_db_update_fees(*group, all);
}

} // namespace millrace::cli
