#include "config/schema.hpp"
#include "config/schema_words.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<coordination_config> make_coordinator() {
  using c = coordination_config;
  return make_section<c>(
    "coordinator",
    "What one node does for all that work on a database, such as its "
    "migrations. PostgreSQL elects it, for each database by itself.",
    {
      bind<&c::stand_by>(
        {.path = "stand_by",
         .type = boolean,
         .default_value = "true",
         .description = "Whether this node may be the one. When no node may, "
                        "these things are left to commands."}),
      bind<&c::lease>(
        {.path = "lease",
         .type = duration,
         .default_value = "\"2s\"",
         .least = second,
         .most = 5 * minute,
         .description = "How long the others wait, by the database's clock, "
                        "before one of them takes over from a node that fell "
                        "silent. It renews its lease four times as often."}),
      bind<&c::partition_interval>(
        {.path = "partition_interval",
         .type = duration,
         .default_value = "\"1m\"",
         .least = second,
         .most = day,
         .description = "How often the partitions of "
                        "`[[pipeline.NAME.partition]]` are looked after."}),
    });
}

} // namespace

const section<coordination_config>& coordinator() {
  static const auto result = make_coordinator();
  return result;
}

} // namespace millrace::schema
