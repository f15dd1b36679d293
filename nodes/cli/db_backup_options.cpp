#include "nodes/cli/adder.hpp"
#include "nodes/cli/db_options.hpp"
#include "nodes/cli/db_restore.hpp"
#include "nodes/cli/lanes_session_options.hpp"

namespace millrace::cli {

namespace {

void add_place(CLI::App* app, backup_arguments& x) {
  app->add_option("--folder", x.folder, "Where backups are (backups)")
    ->type_name("FOLDER");
}

void add_work(CLI::App* app, backup_arguments& x) {
  add_place(app, x);
  app
    ->add_option("--jobs", x.jobs,
                 "How many tables are copied at the same time (4)")
    ->type_name("NUMBER");
  app
    ->add_option("--pg-bin", x.pg_bin,
                 "Where pg_dump and pg_restore are; else they are looked for")
    ->type_name("FOLDER");
}

void add_restore(CLI::App& group, adder& all) {
  auto [app, x] = all.add<db_restore_arguments>(
    group, "restore",
    "Put a backup in the place of the databases; the old ones are kept",
    run_db_restore);
  app->add_option("NAME", x->name, "Of the backup (the newest of the folder)")
    ->type_name("NAME");
  add_common(app, *x);
  add_work(app, *x);
  add_reason(app, *x);
  add_yes(app, *x);
  app->add_flag("--accept-loss", x->accept_loss,
                "Go on where Kafka does not have all records any more, and "
                "write down which are lost");
  app->add_flag("--again", x->again,
                "Though the databases in place are of this backup already");
  app
    ->add_option("--maintenance-db", x->maintenance,
                 "A database of the server to work from (postgres)")
    ->type_name("NAME");
  app
    ->add_option("--patience", x->patience,
                 "Wait this long at most for sessions to end (1m)")
    ->type_name("DURATION");
  app->add_flag("--list-old", x->list_old,
                "Name the databases that restores have replaced, and copies "
                "that are not in place");
  app->add_option("--drop-old", x->drop_old, "Drop such a database, for ever")
    ->type_name("NAME");
}

} // namespace

void add_db_backups(CLI::App& group, adder& all) {
  auto [app, x]
    = all.add<backup_arguments>(group, "backup",
                                "Copy the databases, each as of one moment",
                                run_db_backup);
  app->add_option("NAME", x->name, "What it is called (the time)")
    ->type_name("NAME");
  add_common(app, *x);
  add_work(app, *x);
  auto [list, y] = all.add<backup_arguments>(group, "backups",
                                             "Every backup of the folder",
                                             run_db_backups);
  add_place(list, *y);
  list
    ->add_option("--delete-older-than", y->delete_older_than,
                 "Delete those that were begun longer ago than this, such as "
                 "30d; the newest one stays")
    ->type_name("DURATION");
  add_yes(list, *y);
  add_restore(group, all);
}

} // namespace millrace::cli
