#include "nodes/cli/adder.hpp"
#include "nodes/cli/lanes_command.hpp"
#include "nodes/cli/lanes_session_options.hpp"

namespace millrace::cli {

namespace {

void add_which(CLI::App* app, lanes_arguments& x) {
  app->add_option("--pipeline", x.pipeline, "Only lanes of this pipeline")
    ->type_name("NAME");
  app->add_option("--tenant", x.tenant, "Only lanes of this tenant")
    ->type_name("NAME");
}

CLI::Option* add_lane(CLI::App* app, lanes_arguments& x) {
  return app->add_option("LANE", x.lane, "The lane, PIPELINE/TENANT/SHARD")
    ->type_name("LANE");
}

void add_changes(CLI::App& group, adder& all) {
  auto [resume, r]
    = all.add<lanes_arguments>(group, "resume",
                               "Make halted lanes or a partition go on",
                               run_lanes_resume);
  add_lane(resume, *r);
  resume->add_flag("--all-halted", r->all_halted,
                   "All lanes that are halted or parked");
  add_which(resume, *r);
  resume
    ->add_option("--partition", r->partition,
                 "A halted partition, PIPELINE/TOPIC/NUMBER")
    ->type_name("PARTITION");
  add_reason(resume, *r);
  add_common(resume, *r);

  auto [halt, h] = all.add<lanes_arguments>(group, "halt",
                                            "Halt a lane, for maintenance",
                                            run_lanes_halt);
  add_lane(halt, *h)->required();
  add_reason(halt, *h);
  add_common(halt, *h);

  auto [skip, s] = all.add<lanes_arguments>(
    group, "skip", "Let a halted lane pass over records", run_lanes_skip);
  add_lane(skip, *s)->required();
  skip->add_option("--topic", s->topic, "The topic")
    ->type_name("NAME")
    ->required();
  skip->add_option("--partition", s->number, "The partition")
    ->type_name("NUMBER")
    ->required();
  skip->add_option("--to", s->to, "The first offset that the lane shall write")
    ->type_name("OFFSET")
    ->required();
  add_reason(skip, *s);
  add_yes(skip, *s);
  add_common(skip, *s);

  auto [adopt, a]
    = all.add<lanes_arguments>(group, "adopt-topic",
                               "Read a topic that was deleted and made again",
                               run_lanes_adopt);
  adopt->add_option("PIPELINE", a->pipeline, "The pipeline that reads it")
    ->type_name("NAME")
    ->required();
  adopt->add_option("TOPIC", a->topic, "The topic")
    ->type_name("NAME")
    ->required();
  adopt->add_option("--from", a->from, "Where to begin in it (earliest)")
    ->type_name("POSITION")
    ->check(CLI::IsMember({"earliest", "latest"}));
  add_reason(adopt, *a);
  add_common(adopt, *a);

  auto [change, c] = all.add<lanes_arguments>(
    group, "change",
    "Change lanes, tenants, routes or writes of a pipeline while nodes run",
    run_lanes_change);
  change
    ->add_option("--pipeline", c->pipeline,
                 "The pipeline that shall be as --config has it")
    ->type_name("NAME")
    ->required();
  change
    ->add_option("--patience", c->patience,
                 "Give up when the lanes take longer to come together (2m)")
    ->type_name("DURATION");
  add_reason(change, *c);
  add_yes(change, *c);
  add_common(change, *c);
}

} // namespace

void add_lanes(CLI::App& root, adder& all) {
  auto* group
    = root.add_subcommand("lanes", "Look at lanes, and make halted ones go on");
  group->require_subcommand(1);
  auto [list, x]
    = all.add<lanes_arguments>(*group, "list",
                               "Every lane with its state, offsets and lag",
                               run_lanes_list);
  add_which(list, *x);
  list->add_option("--state", x->state, "Only lanes in this state")
    ->type_name("STATE")
    ->check(CLI::IsMember({"active", "parked", "halted"}));
  list->add_flag("--partitions", x->partitions,
                 "A line for each partition of a lane");
  add_common(list, *x);
  auto [halted, y] = all.add<lanes_arguments>(
    *group, "halted", "What stands still, why, and what makes it go on",
    run_lanes_halted);
  add_which(halted, *y);
  add_common(halted, *y);
  auto [backfills, z] = all.add<lanes_arguments>(
    *group, "backfills",
    "How far backfills are, and which records they lack; give one up",
    run_lanes_backfills);
  auto* only = backfills
                 ->add_option("--pipeline", z->pipeline, "Only this backfill")
                 ->type_name("NAME");
  backfills
    ->add_option("--give-up", z->give_up,
                 "End this backfill where it is; what it has written stays")
    ->type_name("NAME")
    ->excludes(only);
  add_reason(backfills, *z);
  add_yes(backfills, *z);
  add_common(backfills, *z);
  add_changes(*group, all);
}

} // namespace millrace::cli
