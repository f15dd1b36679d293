#include "nodes/cli/commands.hpp"

#include "config/values.hpp"
#include "nodes/cli/adder.hpp"
#include "nodes/cli/config_command.hpp"
#include "nodes/cli/examples.hpp"
#include "nodes/cli/produce_command.hpp"
#include "nodes/cli/shape.hpp"
#include "nodes/cli/status_command.hpp"
#include "nodes/cli/validate_command.hpp"
#include "nodes/cli/version.hpp"

namespace millrace::cli {

namespace {

void add_node(adder& all, const node_runner& runner) {
  auto [app, x] = all.add<node_arguments>(
    "node", "Run a node until SIGTERM or SIGINT",
    [runner](const node_arguments& args, console& to) {
      return run_node_command(args, runner, to);
    });
  app->add_option("CONFIG", x->config, "The configuration, TOML")
    ->type_name("FILE")
    ->required();
  app->add_option("--name", x->name, "The node's name, in place of node.name")
    ->type_name("NAME")
    ->check([](const std::string& name) {
      return is_node_name(name) ? std::string{}
                                : "not a name of A-Z, a-z, 0-9, ., _ and -";
    });
  app
    ->add_option("--port-file", x->port_file,
                 "Write the admin port into this file once it is open")
    ->type_name("FILE");
  add_pack_dir(app, x->pack_dirs);
}

void add_samples(CLI::App* app, sample_arguments& x) {
  app
    ->add_option("--pipeline", x.pipeline,
                 "Which pipeline; needed where there are several")
    ->type_name("NAME");
  app->add_option("--topic", x.topic, "The topic of lines that are payloads")
    ->type_name("NAME");
  app->add_option("--key", x.key, "The key of lines that are payloads")
    ->type_name("TEXT");
  add_each(app, "--header", x.headers,
           "A header of lines that are payloads (repeatable)")
    ->type_name("NAME=VALUE");
  app->add_option("--limit", x.limit, "Stop after so many; 0: no limit")
    ->type_name("NUMBER");
}

void add_map(adder& all) {
  auto [app, x] = all.add<map_arguments>(
    "map", "Show the rows that events would become, without a server", run_map);
  app->add_option("CONFIG", x->config, "The configuration, TOML")
    ->type_name("FILE")
    ->required();
  app
    ->add_option("--events", x->samples.events,
                 "JSON lines: payloads, or records with headers and key")
    ->type_name("FILE")
    ->required();
  add_samples(app, x->samples);
  add_pack_dir(app, x->pack_dirs);
}

void add_validate(adder& all) {
  auto [app, x] = all.add<validate_arguments>(
    "validate", "Check configurations, also against the servers they name",
    run_validate);
  app->add_option("CONFIG", x->files, "Configurations, TOML")
    ->type_name("FILE")
    ->required();
  app->add_flag("--offline", x->offline, "Ask no server");
  app->add_flag("--require-servers", x->require_servers,
                "Fail when a server cannot be asked");
  app
    ->add_option("--timeout", x->timeout,
                 "Wait this long at most for each answer (5s)")
    ->type_name("DURATION");
  app->add_flag("--explain", x->explain,
                "Show what the events of --events would write, and where each "
                "value comes from");
  app
    ->add_option("--events", x->samples.events,
                 "JSON lines: payloads, or records with headers and key")
    ->type_name("FILE");
  add_samples(app, x->samples);
  add_pack_dir(app, x->pack_dirs);
}

void add_status(adder& all) {
  auto [app, x] = all.add<status_arguments>("status",
                                            "Tell how a running node is",
                                            run_status);
  app->add_option("--admin", x->admin, "The node's admin port (127.0.0.1:9650)")
    ->type_name("HOST:PORT");
  app->add_option("--config", x->config, "Take the admin port from this TOML")
    ->type_name("FILE");
  app
    ->add_option("--port-file", x->port_file,
                 "Take the admin port from the file that the node wrote")
    ->type_name("FILE");
  app->add_option("--watch", x->watch, "Look again after this time, for ever")
    ->type_name("DURATION");
  app
    ->add_option("--timeout", x->timeout,
                 "Wait this long at most for each answer (5s)")
    ->type_name("DURATION");
  add_pack_dir(app, x->pack_dirs);
}

void add_config(CLI::App& root, adder& all) {
  auto* group = root.add_subcommand("config", "What a configuration can say");
  group->require_subcommand(1);
  all.add<config_arguments>(*group, "docs",
                            "The documentation of every option, as Markdown",
                            run_config_docs);
  auto [example_app, example_args] = all.add<config_arguments>(
    *group, "example", "A configuration to start from", run_config_example);
  std::vector<std::string> names;
  for (const auto& x : examples())
    names.emplace_back(x.name);
  example_app->add_option("NAME", example_args->which, "Which one (ticks)")
    ->type_name("NAME")
    ->check(CLI::IsMember(names));
  auto [options_app, options_args] = all.add<config_arguments>(
    *group, "options", "Every option with its default, or all about one",
    run_config_options);
  options_app
    ->add_option("OPTION", options_args->which,
                 "Its path, for example kafka.bootstrap")
    ->type_name("PATH");
}

void add_completion(CLI::App& root, commands& to) {
  auto shell = std::make_shared<std::string>();
  auto* app = root.add_subcommand("completion",
                                  "A completion script for a shell");
  app->add_option("SHELL", *shell, "bash or zsh")
    ->type_name("SHELL")
    ->required()
    ->check(CLI::IsMember({"bash", "zsh"}));
  to.push_back({app, std::make_shared<bool>(false), [&root, shell](console& x) {
                  auto shape = shape_of(root);
                  x.out(*shell == "bash" ? bash_completion(shape)
                                         : zsh_completion(shape));
                  return exit_code::ok;
                }});
}

void add_produce(adder& all) {
  auto [app, x] = all.add<produce_arguments>(
    "produce", "Replay a file of JSON lines into a topic", run_produce);
  app->add_option("TOPIC", x->topic, "The topic to write to")
    ->type_name("NAME")
    ->required();
  app
    ->add_option("INPUT", x->input,
                 "One JSON document a line, .xz or not; - is standard input")
    ->type_name("FILE")
    ->required();
  app->add_option("--bootstrap", x->bootstrap, "The brokers")
    ->type_name("HOST:PORT,...");
  app->add_option("--config", x->config, "Take the brokers from this TOML")
    ->type_name("FILE");
  add_each(app, "-X", x->properties,
           "A property of librdkafka, name=value (repeatable)")
    ->type_name("PROPERTY=VALUE");
  app->add_flag("--recorded", x->recorded,
                "Lines are recorded records: key_b64, value_b64, headers, "
                "timestamp, partition");
  app->add_option("--key", x->key, "Member that becomes the record's key")
    ->type_name("NAME");
  add_each(app, "--header", x->headers,
           "The same header for every record (repeatable)")
    ->type_name("NAME=VALUE");
  app
    ->add_option("--timestamp-field", x->timestamp_field,
                 "Member that becomes the record's timestamp: RFC 3339, or "
                 "milliseconds since 1970")
    ->type_name("NAME");
  app->add_option("--rate", x->rate, "Records per second; 0: no limit")
    ->type_name("NUMBER");
  app->add_option("--repeat", x->repeat, "How often to send the file")
    ->type_name("NUMBER|forever");
  app->add_option("--limit", x->limit, "Stop after so many; 0: no limit")
    ->type_name("NUMBER");
  app
    ->add_option("--partitions", x->partitions,
                 "Create the topic with so many if it is not there")
    ->type_name("NUMBER");
  app
    ->add_option("--timeout", x->timeout,
                 "Wait this long at most for a broker (30s)")
    ->type_name("DURATION");
  app->add_flag("--quiet", x->quiet, "No progress");
  add_pack_dir(app, x->pack_dirs);
}

void add_version(adder& all) {
  struct nothing {};
  all.add<nothing>("version", "Version, and how it was built",
                   [](const nothing&, console& to) { return run_version(to); });
}

} // namespace

commands add_commands(CLI::App& root, const node_runner& node) {
  commands result;
  adder all{root, result};
  add_node(all, node);
  add_validate(all);
  add_map(all);
  add_migrate(root, all);
  add_produce(all);
  add_generate(root, all);
  add_status(all);
  add_lanes(root, all);
  add_dlq(root, all);
  add_waiting(root, all);
  add_partitions(root, all);
  add_db(root, all);
  add_config(root, all);
  add_completion(root, result);
  add_version(all);
  return result;
}

} // namespace millrace::cli
