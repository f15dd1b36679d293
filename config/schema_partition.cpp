#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

std::vector<bound<partition_config>> partition_options() {
  using c = partition_config;
  return {
    bind<&c::tables, is_identifier>(
      {.path = "tables",
       .type = text_list,
       .form = "the name of a table without schema, at most 63 bytes",
       .required = true,
       .description = "Tables that are partitioned by range on one column."}),
    bind<&c::every>(
      {.path = "every",
       .type = choice,
       .default_value = "\"day\"",
       .choices = choices(partition_every::hour, partition_every::month),
       .description = "What one partition holds. Weeks begin on Monday; "
                      "hours are those of UTC. Partitions that are there "
                      "stay as they are when this is changed."}),
    bind<&c::timezone>(
      {.path = "timezone",
       .type = text,
       .form = "the name of a time zone that this machine knows",
       .default_value = "\"UTC\"",
       .description = "Whose days, weeks and months these are, for example "
                      "`Europe/Berlin`. For keys without a time zone it only "
                      "says which day is today."}),
    bind<&c::key>(
      {.path = "key",
       .type = choice,
       .default_value = "\"timestamp\"",
       .choices = choices(partition_key::timestamp,
                          partition_key::milliseconds),
       .description = "What the tables are partitioned by: a `timestamp` "
                      "(or timestamptz, or date), or a bigint of "
                      "`milliseconds` since 1970."}),
    bind<&c::ahead>(
      {.path = "ahead",
       .type = duration,
       .default_value = "\"14d\"",
       .least = minute,
       .most = 3650 * day,
       .description = "How far ahead of now there shall be partitions; at "
                      "most 1000 of them."}),
    bind<&c::keep>(
      {.path = "keep",
       .type = duration,
       .default_note = "for ever",
       .least = hour,
       .most = 36'500 * day,
       .description = "Age from which on rows are not kept: a partition is "
                      "**dropped** once all that it can hold is older."}),
    bind<&c::late>(
      {.path = "late",
       .type = choice,
       .default_value = "\"wait\"",
       .choices = choices(late_rows::wait, late_rows::catch_all),
       .description = "What becomes of a row that no partition takes. "
                      "`wait`: its lane waits until there is one. "
                      "`reject`: the same, but a row that is older than "
                      "`keep` makes its event a dead letter. "
                      "`default`: a default partition takes it, and from "
                      "there it moves into a partition that is made for "
                      "it."}),
    bind<&c::archive>(
      {.path = "archive",
       .type = text,
       .form = "a folder that is there, absolute or from the file's own "
               "folder on",
       .default_note = "none: what is removed is gone",
       .description = "Where the rows of a partition go before it is "
                      "dropped: a file of zstd for each, with a manifest "
                      "beside it. Every node that may coordinate needs the "
                      "folder, best the same one on a shared disc."}),
    bind<&c::name>(
      {.path = "name",
       .type = text,
       .form = "a text with {table} and what tells the periods apart: "
               "{YYYY}, {MM}, {DD}, {HH}",
       .default_note = "`{table}_{YYYY}_{MM}_{DD}`, without day for months "
                       "and with `_{HH}` for hours",
       .description = "What partitions are called."}),
  };
}

section<partition_config> make_own_partition() {
  auto entries = partition_options();
  for (auto& x : entries)
    if (x.info.path == "late") {
      x.info.choices = choices(late_rows::wait, late_rows::wait);
      x.info.choices.push_back(to_string(late_rows::catch_all));
      x.info.description = "What becomes of a row that no partition takes. "
                           "`wait`: it is refused, and a lane that wrote it "
                           "waits. `default`: a default partition takes it, "
                           "and from there it moves into a partition that is "
                           "made for it.";
    }
  entries.push_back(bind<&partition_config::tenants, is_name>(
    {.path = "tenants",
     .type = text_list,
     .form = name_form,
     .default_note = "all",
     .description = "In whose schemas the tables are."}));
  return make_section<partition_config>(
    "partition[]",
    "One `[[partition]]` for tables that no pipeline says this of, such as an "
    "audit log that triggers fill: what `[[pipeline.NAME.partition]]` is for "
    "those of a pipeline. Where a pipeline of the tenant speaks of the same "
    "table, that counts. `millrace db clean` leaves these tables alone unless "
    "a "
    "`[[pipeline.NAME.series]]` names them.",
    std::move(entries));
}

} // namespace

const section<partition_config>& partition() {
  static const auto result = make_section<partition_config>(
    "pipeline.*.partition[]",
    "One `[[pipeline.NAME.partition]]` for tables that are partitioned by "
    "time, in all schemas of the pipeline's tenants: the coordinator makes "
    "their partitions ahead of time and removes old ones. Beside `pack` it "
    "takes the place of what the pack says of these tables. Tables without "
    "one are left alone. Of hypertables only `keep` has a meaning: whole "
    "chunks that are older are dropped.",
    partition_options());
  return result;
}

const section<partition_config>& own_partition() {
  static const auto result = make_own_partition();
  return result;
}

} // namespace millrace::schema
