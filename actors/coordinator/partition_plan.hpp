#pragma once

#include "actors/coordinator/partition_calendar.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What shall be true of one partitioned table.
struct partition_policy {
  std::string schema;
  std::string table;
  partition_config rules;

  // Who declares it; a `[[partition]]`: no pipeline.
  std::string pipeline = {};
  std::string tenant = {};

  /// Only partitions of now and later are made, and none is removed.
  bool only_ahead = false;
};

/// `schema.table`, for people.
std::string to_string(const partition_policy& x);

/// What a partition key is.
enum class partition_key_type : uint8_t {
  timestamptz,
  timestamp,
  date,
  /// bigint, since 1970.
  milliseconds,
};

std::string to_string(partition_key_type x);

/// Of a column's type, as `format_type` calls it; nothing where no partition
/// can be of it.
std::optional<partition_key_type> parse_key_type(std::string_view type);

/// The zone whose days keys are counted in: those without one are the wall of
/// `zone`, and counted as they are. Empty: none.
std::string_view counting_zone(partition_key_type x, std::string_view zone);

/// Now as keys of that type tell it.
partition_time key_now(partition_key_type x, std::string_view zone,
                       partition_time now);

/// A key's value as PostgreSQL reads it.
std::string key_text(partition_key_type type, partition_time x);

/// A partition as the catalog has it.
struct known_partition {
  std::string schema;
  std::string name;

  /// Nothing: unbounded. Without meaning for the default partition.
  std::optional<partition_time> from;
  std::optional<partition_time> to;

  bool is_default = false;

  /// Its DETACH CONCURRENTLY has not come to its end.
  bool detaching = false;

  /// Brought back by hand: no policy removes it.
  bool held = false;
};

/// A partitioned table as the catalog has it.
struct known_table {
  std::string key;
  partition_key_type type = partition_key_type::timestamptz;
  std::vector<known_partition> partitions;

  /// Those that are not generated, in order.
  std::vector<std::string> columns;

  /// Keys of rows that are in the default partition, one for each period or
  /// more.
  std::vector<partition_time> strays;

  /// Triggers of the default partition that hear of rows that are deleted, and
  /// would refuse or note that a row moves.
  std::vector<std::string> strays_triggers = {};

  /// Of a hypertable, whose partitions are its chunks: where TimescaleDB has
  /// its functions. Empty: they are PostgreSQL's own partitions.
  std::string timescaledb = {};

  bool is_hypertable() const noexcept {
    return !timescaledb.empty();
  }
};

struct new_partition {
  std::string name;
  partition_period range;

  friend bool operator==(const new_partition&, const new_partition&) = default;
};

struct old_partition {
  std::string schema;
  std::string name;

  friend bool operator==(const old_partition&, const old_partition&) = default;
};

/// A removal that was noted, and that nothing keeps from its end.
struct begun_removal {
  old_partition what;

  /// PostgreSQL's number of it: another table may have its name by now.
  int64_t oid = 0;

  /// Half of it was done when it is not.
  bool detached = false;

  /// Otherwise somebody else has dropped it, and only the note is left.
  bool there = true;

  /// Why its archive could not be written; empty: nobody has tried.
  std::string trouble = {};
};

struct partition_plan {
  /// What is needed first comes first.
  std::vector<new_partition> make;

  /// The name of a default partition to be made; after all others, which are
  /// made without a lock on it then.
  std::optional<std::string> make_default;

  /// Beyond their retention, the oldest first.
  std::vector<old_partition> drop;

  /// What cannot be done, with what to do.
  std::vector<std::string> problems;
};

/// Partitions with no key from `limit` on, the oldest first; never the default
/// one, and held ones where they are asked for. Pure.
std::vector<old_partition> partitions_before(const known_table& table,
                                             partition_time limit,
                                             bool held_ones);

/// More are not made in one go.
inline constexpr std::size_t max_new_partitions = 500;

/// What to do about a table, so that there is a partition for each period from
/// the one before now to the one `ahead` of it, and for each row in the default
/// partition, and none whose rows are all older than `keep`.
///
/// Partitions that are there stay as they are, whoever made them and by which
/// rule: only what they leave open is made. Hypertables make their chunks
/// themselves. Pure.
partition_plan plan_partitions(const partition_policy& policy,
                               const known_table& table, partition_time now);

/// What is to be archived when somebody asks for all that is older than that:
/// partitions that are wholly past, the oldest first, held ones as well. Pure.
std::vector<old_partition>
plan_archive(const partition_policy& policy, const known_table& table,
             partition_time now, std::chrono::milliseconds older_than);

/// How far ahead a table has its partitions.
struct partition_reach {
  /// Periods after the one of now that have a partition, without a gap from now
  /// on; not more than `max_counted_periods`.
  int64_t ahead = 0;

  /// How many there shall be.
  int64_t wanted = 0;

  /// Where the first gap begins; nothing: there is none.
  std::optional<partition_time> until;

  /// Partitions come when rows need them, so that none has to be ahead.
  bool by_itself = false;

  friend bool operator==(const partition_reach&, const partition_reach&)
    = default;
};

inline constexpr int64_t max_counted_periods = 2'000;

partition_reach reach_of(const partition_policy& policy,
                         const known_table& table, partition_time now);

// -- statements ---------------------------------------------------------------

/// Makes a partition; to be run in one transaction, in this order. It is made
/// standalone and then attached, which locks neither readers nor writers of the
/// table out; rows of it that are in a default partition move over, for which
/// that one is locked.
std::vector<std::string> make_statements(const partition_policy& policy,
                                         const known_table& table,
                                         const new_partition& what);

/// Makes the default partition.
std::vector<std::string> default_statements(const partition_policy& policy,
                                            const std::string& name);

/// `ALTER TABLE … DETACH PARTITION …`, with what follows the name.
std::string detach_statement(const partition_policy& policy,
                             const old_partition& what, const std::string& how);

std::string drop_statement(const old_partition& what);

/// Drops a chunk of a hypertable, and those before it. The chunk is one of
/// the table's, and has an end.
std::string drop_chunks_statement(const partition_policy& policy,
                                  const known_table& table,
                                  const old_partition& what);

/// Forgets that the removal has begun; in the transaction that ends it.
std::string forget_statement(const old_partition& what);

} // namespace millrace
