#pragma once

#include "actors/coordinator/sql_script.hpp"

#include <optional>

namespace millrace {

enum class step_kind : uint8_t {
  /// Runs in a transaction of its own, together with the note that it is done.
  transactional,
  create_index,
  drop_index,
  reindex,
  detach_partition,
  /// VACUUM and the like: may be run again.
  repeatable,
  /// No part of a schema, or it would end the transaction.
  refused,
};

/// A statement of a file without a transaction: what a run has to know to go
/// on where another one was ended in the middle of it.
struct concurrent_step {
  step_kind kind = step_kind::transactional;

  /// Why not, or what is missing.
  std::string problem = {};

  /// The index, or the partition: as it was written, so that it can be part of
  /// a statement, and its name alone.
  std::string object = {};
  std::string object_name = {};

  /// The table, as it was written.
  std::string table = {};

  bool unique = false;

  /// IF EXISTS or IF NOT EXISTS; of a partition: of its table.
  bool lenient = false;

  /// CREATE INDEX: what comes after the table.
  std::string rest = {};
};

/// Tells what kind of step a statement is. Pure.
concurrent_step classify_step(const sql_statement& x);

/// Whether a name, as it was written, says its schema. Pure.
bool names_schema(std::string_view written);

/// The name of the index on a partition that belongs to the one on its parent:
/// both names joined, and cut to PostgreSQL's 63 bytes with a hash of the whole
/// so that it stays unique.
std::string partition_index_name(const std::string& partition,
                                 const std::string& parent_index);

} // namespace millrace
