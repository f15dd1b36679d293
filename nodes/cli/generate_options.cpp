#include "nodes/cli/adder.hpp"
#include "nodes/cli/generate_command.hpp"

namespace millrace::cli {

void add_generate(CLI::App& root, adder& all) {
  auto* group = root.add_subcommand("generate",
                                    "Make events to try a pack with");
  group->require_subcommand(1);
  auto [app, x] = all.add<generate_arguments>(
    *group, "pme", "A trading day of the exchange of the pack pme-online",
    run_generate_pme);
  app->add_option("--events", x->events, "How many records (10000)")
    ->type_name("NUMBER");
  app
    ->add_option("--orders", x->orders,
                 "End when all is over that so many orders led to")
    ->type_name("NUMBER");
  app->add_option("--seed", x->seed, "Another number, another day (1)")
    ->type_name("NUMBER");
  app->add_option("--participants", x->participants, "How many (5)")
    ->type_name("NUMBER");
  app->add_option("--instruments", x->instruments, "How many (10)")
    ->type_name("NUMBER");
  app->add_option("--accounts", x->accounts, "How many (8)")
    ->type_name("NUMBER");
  app
    ->add_option("--partitions", x->partitions,
                 "Spread the records over so many, at random (3)")
    ->type_name("NUMBER");
  app
    ->add_option("--poison", x->poison,
                 "Share of records that nobody can use (0)")
    ->type_name("SHARE");
  app
    ->add_option("--rate", x->rate,
                 "Records per second; 0: as fast as they are taken")
    ->type_name("NUMBER");
  app
    ->add_option("--opens", x->opens,
                 "When trading begins (2025-12-03T09:00:00+07:00)")
    ->type_name("TIME");
  app->add_option("--out", x->out, "The file to make; - is standard output (-)")
    ->type_name("FILE");
}

} // namespace millrace::cli
