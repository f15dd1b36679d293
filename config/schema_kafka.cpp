// The options of Kafka.

#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<kafka_config> make_kafka() {
  return make_section<kafka_config>(
    "kafka", "Where records come from.",
    {
      bind<&kafka_config::bootstrap, is_bootstrap>(
        {.path = "bootstrap",
         .type = text,
         .form = "host:port, several with commas in between",
         .description = "Brokers to ask first. Needed unless `embedded`."}),
      bind<&kafka_config::properties>(
        {.path = "properties",
         .type = properties,
         .description = "Any librdkafka property, for example "
                        "`security.protocol = \"SASL_SSL\"`. Those that the "
                        "protocol depends on are refused: "
                        "`auto.offset.reset`, `enable.auto.commit`, "
                        "`enable.auto.offset.store`, `isolation.level`, "
                        "`enable.partition.eof`, `check.crcs`, "
                        "`allow.auto.create.topics`."}),
      bind<&kafka_config::group, is_node_name>(
        {.path = "group",
         .type = text,
         .form = "a name of A-Z, a-z, 0-9, dot, _ and -, at most 64 "
                 "characters",
         .default_note = "no group: the static table, or this node alone",
         .description = "Consumer groups of this name, a hyphen and a "
                        "pipeline's name share the partitions out among the "
                        "nodes (cooperative-sticky, with `node.name` as the "
                        "static id). Lanes stay where `[[cluster.static]]` "
                        "puts them."}),
      bind<&kafka_config::metadata_interval>(
        {.path = "metadata_interval",
         .type = duration,
         .default_value = "\"30s\"",
         .least = 100,
         .most = hour,
         .description = "How often a node looks for topics and partitions "
                        "that are new, and for topics that were adopted."}),
      bind<&kafka_config::allow_unidentified_topics>(
        {.path = "allow_unidentified_topics",
         .type = boolean,
         .default_value = "false",
         .description = "Read topics of brokers that have no topic ids "
                        "(before 2.8). A topic that is deleted and made again "
                        "is then not noticed: its records can be taken for "
                        "those of the old one, or be left out."}),
      bind<&kafka_config::embedded>(
        {.path = "embedded",
         .type = boolean,
         .default_value = "false",
         .description = "Use a broker inside the process in place of a "
                        "cluster. For demos and tests: it keeps nothing on "
                        "disk."}),
    });
}

} // namespace

const section<kafka_config>& kafka() {
  static const auto result = make_kafka();
  return result;
}

} // namespace millrace::schema
