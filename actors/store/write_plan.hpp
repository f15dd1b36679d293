#pragma once

#include "messages/flush.hpp"
#include "messages/ids.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// How a write's rows reach its table.
enum class write_method : uint8_t {
  /// COPY straight into the table.
  append,
  /// COPY into a staging table, then INSERT … ON CONFLICT DO UPDATE.
  upsert,
  /// COPY into a staging table, then UPDATE. A row that is not there stays
  /// away.
  update,
  /// COPY of keys into a staging table, then DELETE.
  remove,
};

/// Which rows are too late for a table: those that no partition takes and that
/// are older than it keeps.
struct late_rule {
  std::chrono::milliseconds keep{0};

  /// Which keys without a time zone are of.
  std::string timezone = "UTC";
};

/// One write of a pipeline as the store must know it. Block i of a batch
/// belongs to target i.
struct write_target {
  /// From the registry of tenants; part of every statement.
  std::string schema;
  std::string table;
  write_method method = write_method::append;

  /// In tuple order.
  std::vector<std::string> columns;

  /// Names among `columns`; needed by all but append. Must be NOT NULL and
  /// covered by a unique index.
  std::vector<std::string> key;

  /// Name among `columns`, or empty: an upsert or update changes a row only if
  /// this column becomes greater. NULL counts as the least.
  std::string only_if_newer;

  /// Names among `columns` that are filled from a record's partition and
  /// offset, or none: a unique index that has them all is violated only by
  /// writing one record twice.
  std::vector<std::string> coordinates = {};

  /// What becomes of an event whose row to update or delete is not there.
  missing_row on_missing = missing_row::ignore;

  /// For append: made whatever becomes of the event's other writes.
  bool always = false;

  /// Of `columns`, as "oid:modifier": what rows are encoded for. Empty: each
  /// flush takes the table as it is.
  std::vector<std::string> types = {};

  /// Nothing: rows that no partition takes wait for one.
  std::optional<late_rule> late = {};
};

/// Several writes into one table, or one that is not an upsert: all rows of a
/// flush are folded per key (see fold.hpp) and staged in one table, whose
/// columns are those of all writes and then
///
///     millrace_row  bigint    position, decides between rows of equal guard;
///                             without one the position of any of the key's
///     millrace_op   smallint  folded_op
///     millrace_set  int       folded_key::set
///     millrace_new  int       folded_key::fresh
///     millrace_old  int       folded_key::probes; with a guard on the first
///                             row of a key only
///
/// The statements are sent in the order in which they stand here, each only
/// where the flush needs it.
///
/// Deadlocks: the first statement goes through all keys in their order and
/// takes each row, the ones to be inserted with the ones to be changed, so
/// that whoever else writes these rows in this way meets them in that order.
/// The others touch nothing but what it has taken: `xmax` names the
/// transaction that holds a row.
struct folded_write {
  struct member {
    std::size_t block = 0;
    write_method method = write_method::upsert;

    /// The staging column of each of its fields.
    std::vector<std::size_t> places;
  };

  std::vector<member> members;

  /// `members[i].method` in a row, as the fold wants it.
  std::vector<write_method> methods;

  /// Staging columns that come from events.
  std::size_t columns = 0;

  /// With a guard there is only one member that does not delete.
  bool guarded = false;

  /// Members that have columns which not all upserts have.
  uint32_t with_extras = 0;

  /// Members that may not miss their row.
  uint32_t strict = 0;

  /// Upserts when there is nothing else: INSERT … ON CONFLICT.
  std::string insert;

  /// Takes all rows in key order and inserts or updates those of upserts.
  std::string take_and_insert;

  /// Takes all rows in key order: when nothing is inserted.
  std::string take;

  /// Raises MR003 when rows of strict members are missing; its detail has
  /// `millrace_row` of up to 1,000 of them.
  std::string refuse_missing;

  /// Yields (millrace_old, keys found).
  std::string count_found;

  /// Deletes what is deleted or replaced.
  std::string remove;

  /// Inserts what is replaced.
  std::string replace;

  /// Sets columns of new rows that not all upserts have.
  std::string extend;

  /// Updates rows that were there.
  std::string update;
};

/// The statements of one write, ready to be sent.
struct planned_write {
  /// Index into a batch's blocks.
  std::size_t block = 0;
  write_method method = write_method::append;

  /// Qualified and quoted.
  std::string table;

  /// As in the target.
  std::string schema;
  std::string name;
  std::vector<std::string> coordinates;
  bool always = false;

  std::string copy;

  /// For upsert: the session-private table, the statement that makes it, and
  /// the one that moves its rows on.
  std::string staging;
  std::string create_staging;
  std::string merge;

  /// Staging rows carry their position in a last column of type bigint: which
  /// of several rows with one key wins is found out by the database, because
  /// only it can compare the guard.
  bool numbered = false;

  /// Set where the writes into the table are folded: `method` is upsert then,
  /// and `block`, `merge` and `numbered` mean nothing.
  std::shared_ptr<const folded_write> folded;
};

/// Where the rows of one block go.
struct block_target {
  std::string schema;
  std::string table;

  /// In tuple order, with their types as in the target; without types there
  /// are as many empty ones.
  std::vector<std::string> columns;
  std::vector<std::string> types;
  std::optional<late_rule> late;
};

/// The writes of one (pipeline, tenant), in the order of their qualified
/// tables, so that flushes of different lanes cannot deadlock.
struct write_plan {
  shape rows_of;
  std::vector<planned_write> writes;

  /// How many blocks a batch may have.
  std::size_t blocks = 0;

  /// By block.
  write_traits traits;
  std::vector<block_target> targets;

  /// `,millrace.check_columns(…)` for each table, to follow the claim.
  std::string check;
};

/// Throws std::invalid_argument for names that PostgreSQL would cut, a key or
/// guard that is not among the columns, a write other than append without a
/// key, and for writes into one table that cannot be folded: other keys, a
/// guard beside anything but deletes, an append beside updates or deletes.
write_plan_ptr make_write_plan(std::string_view pipeline,
                               std::string_view tenant, shape rows_of,
                               const std::vector<write_target>& targets);

} // namespace millrace
