#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<pipeline_config> make_pipeline() {
  using c = pipeline_config;
  return make_section<c>(
    "pipeline.*",
    "One `[pipeline.NAME]` for each way from topics to tables. At least one "
    "is needed. With `pack`, the pack says everything; only what is marked "
    "so may be given beside it.",
    {
      bind<&c::pack, is_pack_name>(
        {.path = "pack",
         .type = text,
         .form = "the name of a pack",
         .overrides_pack = true,
         .description = "A bundled pipeline with its tables, for example "
                        "`ticks`."}),
      bind<&c::topics, is_topic_or_pattern>(
        {.path = "topics",
         .type = text_list,
         .form = "the name of a topic, or a pattern that begins with ^",
         .required = true,
         .overrides_pack = true,
         .description = "Topics to read, all partitions of each. What begins "
                        "with `^` is a regular expression that covers the "
                        "whole name: `\"^trades\\\\..*\"`. Topics that it "
                        "matches are read as soon as they are found; internal "
                        "ones (`__…`) never."}),
      bind<&c::format>({.path = "format",
                        .type = choice,
                        .default_value = "\"json\"",
                        .choices = {"json"},
                        .description = "How payloads are encoded."}),
      bind<&c::tenant>(
        {.path = "tenant",
         .type = expression,
         .required = true,
         .overrides_pack = true,
         .description = "Whose event it is: a constant such as `\"'demo'\"`, "
                        "or an expression over the record such as "
                        "`\"header('tenant')\"`."}),
      bind<&c::event_type>(
        {.path = "event_type",
         .type = expression,
         .default_note = "the first event whose `when` holds",
         .description = "What says of which type an event is, for example "
                        "`\"header('event-type')\"`. It chooses the "
                        "`[[event]]` by its `types`, and is `@type` in "
                        "expressions."}),
      bind<&c::unmatched>(
        {.path = "unmatched",
         .type = choice,
         .default_value = "\"reject\"",
         .choices = choices(unmatched_policy::reject, unmatched_policy::ignore),
         .description = "Events that no `[[event]]` takes: `reject` makes them "
                        "dead letters, `ignore` only counts them."}),
      bind<&c::member_names>(
        {.path = "member_names",
         .type = choice,
         .default_value = "\"exact\"",
         .choices = choices(name_case::exact, name_case::any_case),
         .description = "How paths find members of a payload: `exact`, or "
                        "`any_case`, for which `nid`, `Nid` and `NID` are one "
                        "name (ASCII letters)."}),
      bind<&c::lanes>(
        {.path = "lanes",
         .type = integer,
         .default_value = "4",
         .least = 1,
         .most = 1024,
         .overrides_pack = true,
         .description = "Lanes per tenant: how many flushes may run side by "
                        "side. Rows of one route key stay in order."}),
      bind<&c::start>(
        {.path = "start",
         .type = text,
         .form = "\"earliest\", \"latest\", a time such as "
                 "\"2026-11-20T00:00:00Z\", or \"group:NAME\"",
         .default_value = "\"earliest\"",
         .overrides_pack = true,
         .description = "Where to begin in the topics that are there at the "
                        "pipeline's first start: at the first record, behind "
                        "the last one, at the first record of that time or "
                        "after it, or where a consumer group has come to. "
                        "Turned into offsets once; from then on what "
                        "PostgreSQL says counts. Topics and partitions that "
                        "are found later are read from their first record, "
                        "whatever stands here."}),
      bind<&c::start_offsets>(
        {.path = "start_offsets",
         .type = text_list,
         .form = "topic/partition=offset, such as \"ticks/0=1234\"",
         .default_note = "none",
         .overrides_pack = true,
         .description = "Instead of `start` for these partitions: the offset "
                        "of the first record to read. Counts only at the "
                        "pipeline's first start, as `start` does."}),
      bind<&c::backfills, is_name>(
        {.path = "backfills",
         .type = text,
         .form = "the name of another pipeline",
         .default_note = "none",
         .overrides_pack = true,
         .description = "Makes this pipeline a backfill: it writes tables that "
                        "are new to that other one, from the records that the "
                        "other one reads without them, and ends by itself "
                        "where `millrace lanes change` gives them to that one. "
                        "See docs/migrations.md."}),
      bind<&c::tables, is_identifier>(
        {.path = "tables",
         .type = text_list,
         .form = "the name of a table without schema, at most 63 bytes",
         .default_note = "all that the writes name",
         .overrides_pack = true,
         .description = "Beside `backfills`: writes into other tables are left "
                        "out, so that the pipeline may be a pack, or a copy of "
                        "the other one."}),
      bind<&c::gaps>(
        {.path = "gaps",
         .type = choice,
         .default_value = "\"verify\"",
         .overrides_pack = true,
         .choices = choices(gap_policy::verify, gap_policy::strict),
         .description = "What to do about offsets that are not delivered, as "
                        "compaction, transactions and faults leave them. "
                        "`verify`: a second client reads there again before "
                        "they are passed; in topics with "
                        "`cleanup.policy=compact` they are passed at once. "
                        "`allow`: pass them. `strict`: halt the partition."}),
      bind<&c::partitioning>(
        {.path = "partitioning",
         .type = choice,
         .default_value = "\"plain\"",
         .overrides_pack = true,
         .choices = choices(partitioning_kind::plain,
                            partitioning_kind::hypertable),
         .description = "How the pack's migrations lay out growing tables: "
                        "PostgreSQL's own partitions by day, or a TimescaleDB "
                        "hypertable."}),
      bind<&c::max_reject_ratio>(
        {.path = "max_reject_ratio",
         .type = ratio,
         .default_value = "0.2",
         .overrides_pack = true,
         .description = "Share of the last 1,000 or more events of a lane that "
                        "may become dead letters. Beyond it the lane halts, "
                        "because the mapping or the table must be wrong. 1 "
                        "never halts."}),
      bind<&c::codes, is_name>(
        {.path = "codes",
         .type = codes,
         .form = name_form,
         .description = "Code tables, one `[pipeline.NAME.codes.TABLE]` each: "
                        "text to integer or text, for `code(TABLE, …)`. What "
                        "is not in the table is a dead letter."}),
    },
    {"limits", "event", "partition", "series"});
}

section<event_config> make_event() {
  return make_section<event_config>(
    "pipeline.*.event[]",
    "One `[[pipeline.NAME.event]]` for each kind of event. At least one is "
    "needed unless a pack is used. An event is what the first one of its type "
    "says whose `when` holds.",
    {
      bind<&event_config::name, is_event_type>(
        {.path = "name",
         .type = text,
         .form = event_form,
         .required = true,
         .description = "Name of the event, unique in the pipeline."}),
      bind<&event_config::types, is_event_type>(
        {.path = "types",
         .type = text_list,
         .form = event_form,
         .default_note = "the event's name",
         .description = "What the pipeline's `event_type` says of these "
                        "events."}),
      bind<&event_config::when>(
        {.path = "when",
         .type = expression,
         .default_note = "always",
         .description = "Condition on the record, such as "
                        "`\".side in ('BORR', 'LEND')\"`."}),
      bind<&event_config::every>(
        {.path = "every",
         .type = boolean,
         .default_value = "false",
         .description = "Its writes are made for every event of the pipeline, "
                        "whatever its type, beside those of the event that "
                        "takes it: for logs. It takes no event by itself."}),
      bind<&event_config::route>(
        {.path = "route",
         .type = expression,
         .default_note = "none; needed unless `every`",
         .description = "Which entity the event is about. All rows of an "
                        "event go to one lane, chosen by this value, and are "
                        "committed together. With `every`: the lane of events "
                        "that nobody takes."}),
      bind<&event_config::crossed_bid>(
        {.path = "crossed_bid",
         .type = expression,
         .default_note = "not counted",
         .description = "Together with `crossed_ask`: an event whose bid is "
                        "above its ask counts in "
                        "`millrace_crossed_quotes_total`, and is written all "
                        "the same."}),
      bind<&event_config::crossed_ask>({.path = "crossed_ask",
                                        .type = expression,
                                        .default_note = "not counted",
                                        .description = "See `crossed_bid`."}),
    },
    {"write"});
}

section<write_config> make_write() {
  using c = write_config;
  return make_section<c>(
    "pipeline.*.event[].write[]",
    "One `[[pipeline.NAME.event.write]]` for each table that the event goes "
    "to. At least one is needed, unless an event with `every` writes for it.",
    {
      bind<&c::table, is_identifier>(
        {.path = "table",
         .type = text,
         .form = "the name of a table without schema (the tenant decides "
                 "it), at most 63 bytes",
         .required = true,
         .description = "Table in the tenant's schema."}),
      bind<&c::kind>(
        {.path = "kind",
         .type = choice,
         .default_value = "\"append\"",
         .choices = choices(write_kind::append, write_kind::soft_delete),
         .description = "`append` adds a row; `upsert` adds it or replaces "
                        "the one with the same key; `update` sets columns of "
                        "a row that is there; `delete` deletes it; "
                        "`soft_delete` is an update that marks it as "
                        "deleted."}),
      bind<&c::on>(
        {.path = "on",
         .type = choice,
         .default_value = "\"record\"",
         .choices = choices(write_occasion::record, write_occasion::tombstone),
         .description = "`record`: for records with a value; `tombstone`: for "
                        "those whose value is null. Then only the key, "
                        "headers and facts of the record can be read, by "
                        "`tenant` and `route` too."}),
      bind<&c::key, is_identifier>(
        {.path = "key",
         .type = text_list,
         .form = "the name of a column, at most 63 bytes",
         .description = "Columns that identify a row; a unique index covers "
                        "them. Needed by all but `append`, and the same for "
                        "all that are folded in one table."}),
      bind<&c::only_if_newer, is_identifier>(
        {.path = "only_if_newer",
         .type = text,
         .form = "the name of a column, at most 63 bytes",
         .default_note = "the later offset wins",
         .description = "Column that must be greater than in the row that is "
                        "there, else the write does nothing. For `upsert`, "
                        "`update` and `soft_delete`; beside it only deletes "
                        "may go into the table."}),
      bind<&c::on_missing>(
        {.path = "on_missing",
         .type = choice,
         .default_note = "`ignore` for `delete` and `soft_delete`, `wait` for "
                         "all others",
         .choices = choices(missing_policy::wait, missing_policy::ignore),
         .description = "What becomes of the event when the row to update or "
                        "delete is not there, or when a foreign key names a "
                        "row that is not there. `wait`: the event is kept in "
                        "`millrace.waiting` and tried again, see `[waiting]`; "
                        "`reject`: it becomes a dead letter; `ignore`: the "
                        "write does nothing, and foreign keys wait. `ignore` "
                        "is for `update`, `delete` and `soft_delete` only."}),
      bind<&c::always>(
        {.path = "always",
         .type = boolean,
         .default_value = "false",
         .description = "Make this write whatever becomes of the event's "
                        "others: also when the event waits, PostgreSQL "
                        "refuses it, or it cannot be decoded or mapped; then "
                        "it is not made again later. For `append` into tables "
                        "of records that must not be lost, such as audit "
                        "logs."}),
      bind<&c::when>({.path = "when",
                      .type = expression,
                      .default_note = "always",
                      .description = "Condition for the row, such as "
                                     "`\".prev_nid != 0\"`."}),
      bind<&c::each>(
        {.path = "each",
         .type = expression,
         .default_note = "one row",
         .description = "A row for each element of an array, such as "
                        "`\"leg in .legs\"`; `leg.price` is then a member of "
                        "the element. `and` adds another array, a comma a "
                        "loop inside."}),
      bind<&c::columns, is_identifier>(
        {.path = "columns",
         .type = columns,
         .form = "the name of a column, at most 63 bytes",
         .required = true,
         .description = "Columns and the expressions that fill them, in the "
                        "order of the COPY."}),
    });
}

} // namespace

const section<pipeline_config>& pipeline() {
  static const auto result = make_pipeline();
  return result;
}

const section<event_config>& event() {
  static const auto result = make_event();
  return result;
}

const section<write_config>& write() {
  static const auto result = make_write();
  return result;
}

} // namespace millrace::schema
