#include "nodes/cli/dlq_command.hpp"
#include "nodes/cli/lanes_session_options.hpp"

namespace millrace::cli {

namespace {

/// Those that waiting events have as well.
void add_common_filters(CLI::App* app, dlq_arguments& x) {
  app->add_option("--pipeline", x.pipeline, "Only those of this pipeline")
    ->type_name("NAME");
  app
    ->add_option("--tenant", x.tenant,
                 "Only those of this tenant; _unrouted for those of none")
    ->type_name("NAME");
  app->add_option("--topic", x.topic, "Only those of this topic")
    ->type_name("NAME");
  app->add_option("--sqlstate", x.sqlstate, "Only those with this SQLSTATE")
    ->type_name("CODE");
  app
    ->add_option("--match", x.part_of_reason,
                 "Only those whose reason holds this text")
    ->type_name("TEXT");
  app
    ->add_option("--since", x.since,
                 "Only those set aside since then: RFC 3339, or so long ago "
                 "(90m, 7d)")
    ->type_name("TIME");
  app->add_option("--until", x.until, "Only those set aside before then")
    ->type_name("TIME");
}

void add_filters(CLI::App* app, dlq_arguments& x) {
  add_common_filters(app, x);
  app->add_option("--stage", x.stage, "Only those that failed there")
    ->type_name("STAGE")
    ->check(CLI::IsMember({"decode", "map", "store", "waiting"}));
}

void add_limit(CLI::App* app, dlq_arguments& x) {
  app->add_option("--limit", x.limit, "At most so many lines (100)")
    ->type_name("NUMBER");
}

/// LANE SEQ.
void add_one(CLI::App* app, dlq_arguments& x, bool required) {
  app->add_option("LANE", x.lane, "Its lane, PIPELINE/TENANT/SHARD")
    ->type_name("LANE")
    ->required(required);
  app->add_option("SEQ", x.seq, "Its number there")
    ->type_name("SEQ")
    ->required(required);
}

void add_changes(CLI::App& group, adder& all) {
  auto [discard, d]
    = all.add<dlq_arguments>(group, "discard",
                             "Remove dead letters; an audit row stays of each",
                             run_dlq_discard);
  add_one(discard, *d, false);
  add_filters(discard, *d);
  add_reason(discard, *d);
  add_yes(discard, *d);
  add_common(discard, *d);

  auto [replay, r]
    = all.add<dlq_arguments>(group, "replay",
                             "Write dead letters after their cause is mended",
                             run_dlq_replay);
  add_one(replay, *r, false);
  add_filters(replay, *r);
  add_reason(replay, *r);
  replay->add_flag("--force", r->force,
                   "Also where an older event may replace a newer row");
  add_common(replay, *r);

  auto [prune, p] = all.add<dlq_arguments>(
    group, "prune", "Remove dead letters that are beyond [dead_letters]",
    run_dlq_prune);
  prune->add_flag("--dry-run", p->dry_run, "Tell what would go");
  add_yes(prune, *p);
  add_common(prune, *p);
}

} // namespace

void add_dlq(CLI::App& root, adder& all) {
  auto* group = root.add_subcommand(
    "dlq", "Look at dead letters, replay or discard them");
  group->require_subcommand(1);
  auto [list, x] = all.add<dlq_arguments>(*group, "list",
                                          "Dead letters, the newest first",
                                          run_kept_list);
  add_filters(list, *x);
  add_limit(list, *x);
  add_common(list, *x);
  auto [counted, c] = all.add<dlq_arguments>(*group, "count",
                                             "How many dead letters by reason",
                                             run_kept_count);
  add_filters(counted, *c);
  add_limit(counted, *c);
  add_common(counted, *c);
  auto [show, s]
    = all.add<dlq_arguments>(*group, "show",
                             "All of a dead letter: key, headers and value",
                             run_kept_show);
  add_one(show, *s, true);
  show->add_flag("--raw", s->raw, "The bytes of the value and nothing else");
  add_common(show, *s);
  add_changes(*group, all);
}

void add_waiting(CLI::App& root, adder& all) {
  auto* group = root.add_subcommand(
    "waiting", "Look at events that wait for a row which is not there yet");
  group->require_subcommand(1);
  auto [list, x] = all.add<dlq_arguments>(*group, "list",
                                          "Waiting events, the newest first",
                                          run_kept_list);
  auto [counted, c] = all.add<dlq_arguments>(*group, "count",
                                             "How many wait, by reason",
                                             run_kept_count);
  for (auto [app, what] : {std::pair{list, x}, std::pair{counted, c}}) {
    what->where = kept_in::waiting;
    add_common_filters(app, *what);
    add_limit(app, *what);
    add_common(app, *what);
  }
  auto [show, s]
    = all.add<dlq_arguments>(*group, "show",
                             "All of a waiting event: key, headers and value",
                             run_kept_show);
  s->where = kept_in::waiting;
  add_one(show, *s, true);
  show->add_flag("--raw", s->raw, "The bytes of the value and nothing else");
  add_common(show, *s);
}

} // namespace millrace::cli
