#pragma once

// A pipeline as its TOML says it: plain text with positions. What the
// expressions mean, and whether they fit the tables, is decided by decode.

#include "config/source_position.hpp"
#include "config/table_rules.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// An expression, not parsed yet.
struct expression_text {
  std::string text;

  /// Where the first character of `text` stands (behind the opening quote).
  /// Exact for every character of the text unless the TOML string holds
  /// escapes or line breaks.
  source_position at;

  friend bool operator==(const expression_text&, const expression_text&)
    = default;
};

/// One column of a write and where its value comes from.
struct column_config {
  std::string name;
  expression_text value;

  /// Where the value stands, opening quote included.
  source_position at;
};

/// What an event does to one table.
enum class write_kind : uint8_t {
  /// Adds a row; the table's key is expected to be free.
  append,
  /// Adds the row or replaces the one with the same key.
  upsert,
  /// Sets columns of the row with the key; where there is none it does
  /// nothing.
  update,
  /// Deletes the row with the key.
  remove,
  /// An update that marks the row as deleted.
  soft_delete,
};

std::string to_string(write_kind x);

/// Which records a write is made for.
enum class write_occasion : uint8_t {
  /// Those with a value.
  record,
  /// Those whose value is null: Kafka's mark for a key that is gone.
  tombstone,
};

std::string to_string(write_occasion x);

/// What becomes of an event when a write does not find its row, or when a
/// foreign key does not find the row that it names.
enum class missing_policy : uint8_t {
  /// Not said: `ignore` for delete and soft_delete, `wait` for all others.
  by_kind,
  /// The event waits until the row is there.
  wait,
  /// The event becomes a dead letter.
  reject,
  /// The write does nothing. Foreign keys wait all the same.
  ignore,
};

std::string to_string(missing_policy x);

struct write_config {
  std::string table;
  write_kind kind = write_kind::append;
  write_occasion on = write_occasion::record;

  /// Column names; optional for `append`, needed by the others. All writes of
  /// an event into one table have the same, unless they are upserts with a
  /// table of their own or appends.
  std::vector<std::string> key;

  /// The column that must grow for a row to be changed; empty when the later
  /// offset always wins. Not for `append` and `delete`; beside it only deletes
  /// may go into the table.
  std::string only_if_newer;

  missing_policy on_missing = missing_policy::by_kind;

  /// Made whatever becomes of the event's other writes. For `append`.
  bool always = false;

  /// Condition for a row; empty: always.
  expression_text when;

  /// Loops, such as `item in .items`: a row for each element. Empty: one row.
  expression_text each;

  /// In the order of the file; never empty.
  std::vector<column_config> columns;

  source_position at;
};

/// What the write does by its kind where it says nothing.
missing_policy missing_policy_of(const write_config& x);

struct event_config {
  /// Unique within the pipeline.
  std::string name;

  /// What the pipeline's `event_type` yields for this event; empty: its name.
  std::vector<std::string> types;

  /// Condition that makes an event one of these; empty: always.
  expression_text when;

  /// Made for every event of the pipeline, beside the one that takes it.
  bool every = false;

  /// Decides the lane: all rows of an event go to one lane. Of one for every
  /// event: the lane of those that nobody takes; may be empty.
  expression_text route;

  /// Both or neither: an event whose first price is above its second counts
  /// as a crossed quote. It is written all the same.
  expression_text crossed_bid;
  expression_text crossed_ask;

  /// Empty only beside an event with `every`.
  std::vector<write_config> writes;

  source_position at;
};

/// A code table: text on the left, integer or text on the right.
struct code_table_config {
  std::string name;

  /// In the order of the file; names are unique; values as text.
  std::vector<std::pair<std::string, std::string>> entries;

  source_position at;
};

/// How names in expressions and members of payloads are compared.
enum class name_case : uint8_t {
  /// Byte for byte.
  exact,
  /// ASCII letters without regard to case.
  any_case,
};

std::string to_string(name_case x);

/// What becomes of events that no event of the pipeline takes.
enum class unmatched_policy : uint8_t {
  /// They are dead letters.
  reject,
  /// They are counted, and nothing else.
  ignore,
};

std::string to_string(unmatched_policy x);

/// Where a pipeline begins in the topics that are there at its first start.
enum class start_position : uint8_t {
  /// The first record.
  earliest,
  /// Behind the last one.
  latest,
  /// The first record of an instant or after it.
  instant,
  /// Where a consumer group has come to.
  group,
};

/// What `start` says.
struct start_config {
  start_position from = start_position::earliest;

  /// With `instant`: milliseconds since 1970, never negative, and as the file
  /// spells them.
  int64_t instant_ms = 0;
  std::string instant_text{};

  /// With `group`.
  std::string group{};

  friend bool operator==(const start_config&, const start_config&) = default;
};

/// As it is written in TOML, without quotes.
std::string to_string(const start_config& x);

/// What one line of `start_offsets` says of a partition.
struct start_offset {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;

  friend bool operator==(const start_offset&, const start_offset&) = default;
};

/// `topic/partition=offset`.
std::string to_string(const start_offset& x);

/// What to do about offsets that are not delivered (protocol.md, rule 4c).
enum class gap_policy : uint8_t {
  /// Read there a second time, with another client, before they are passed.
  verify,
  /// Pass them.
  allow,
  /// Halt the partition.
  strict,
};

std::string to_string(gap_policy x);

/// How the pack's migrations lay out tables that grow with time.
enum class partitioning_kind : uint8_t {
  /// PostgreSQL's own range partitions, one a day.
  plain,
  /// A TimescaleDB hypertable.
  hypertable,
};

std::string to_string(partitioning_kind x);

/// What becomes of a record that is larger than `max_record_bytes`.
enum class oversized_policy : uint8_t {
  /// A dead letter that has all of it.
  keep,
  /// A dead letter with the beginning of its value, and the SHA-256 of all.
  cut,
  /// Its lane halts in front of it.
  halt,
};

std::string to_string(oversized_policy x);

/// Limits of one pipeline on one node.
struct pipeline_limits {
  /// A batch is cut when it holds this much, ...
  int64_t batch_bytes = 1 << 20;

  /// ... this many rows, ...
  int32_t batch_rows = 10'000;

  /// ... or when its first row is this old.
  std::chrono::milliseconds linger{5};

  /// Largest flush, in payload bytes.
  int64_t flush_bytes = 8 << 20;

  /// Sent and not yet acknowledged, per (partition, lane).
  int64_t credit_bytes = 4 << 20;
  std::chrono::milliseconds detach_after{2'000};

  /// Larger records are rejected.
  int64_t max_record_bytes = 8 << 20;
  oversized_policy oversized = oversized_policy::keep;

  /// Events with more rows, or with larger ones together, are rejected.
  int32_t max_event_rows = 10'000;
  int64_t max_event_bytes = 32 << 20;

  /// A lane that acknowledges nothing for this long is read again from its
  /// durable offset.
  std::chrono::milliseconds resync{10'000};

  /// How often a partition's floor is proposed.
  std::chrono::milliseconds floor_interval{5'000};

  /// While a floor stands still for this long, idle lanes are moved.
  std::chrono::milliseconds floor_patience{300'000};

  friend bool operator==(const pipeline_limits&, const pipeline_limits&)
    = default;
};

/// One way from topics to tables.
struct pipeline_config {
  /// [a-z][a-z0-9_]{0,40}, unique.
  std::string name;

  /// The pack that the pipeline came from, or empty.
  std::string pack;

  /// Names, and patterns that begin with `^`. Never empty.
  std::vector<std::string> topics;

  /// "json" is the only one so far.
  std::string format = "json";

  /// Whose event it is.
  expression_text tenant;

  /// Which of `events` takes it, by their types; empty: the first whose `when`
  /// holds.
  expression_text event_type;
  unmatched_policy unmatched = unmatched_policy::reject;
  name_case member_names = name_case::exact;

  int32_t lanes = 4;
  start_config start;

  /// Instead of `start`, for some partitions; each is named once.
  std::vector<start_offset> start_offsets;

  /// The pipeline whose new tables it fills from the records that were read
  /// before; empty: it is no backfill.
  std::string backfills;

  /// Of a backfill: it writes these tables alone. Empty: all of its writes.
  std::vector<std::string> tables;
  gap_policy gaps = gap_policy::verify;
  partitioning_kind partitioning = partitioning_kind::plain;

  /// A lane halts when more than this share of its events is rejected.
  double max_reject_ratio = 0.2;
  pipeline_limits limits;
  std::vector<code_table_config> codes;

  /// Never empty.
  std::vector<event_config> events;

  std::vector<partition_config> partitions;
  std::vector<series_config> series;

  source_position at;
};

} // namespace millrace
