#pragma once

#include "messages/flush.hpp"
#include "messages/ids.hpp"

#include <cstddef>
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

  /// Names among `columns`; needed by upsert. Must be NOT NULL and covered by
  /// a unique index.
  std::vector<std::string> key;

  /// Name among `columns`, or empty: an upsert replaces a row only if this
  /// column becomes greater. NULL counts as the least.
  std::string only_if_newer;

  /// Names among `columns` that are filled from a record's partition and
  /// offset, or none: a unique index that has them all is violated only by
  /// writing one record twice.
  std::vector<std::string> coordinates = {};
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
};

/// The writes of one (pipeline, tenant), in the order of their qualified
/// tables, so that flushes of different lanes cannot deadlock.
struct write_plan {
  shape rows_of;
  std::vector<planned_write> writes;

  /// How many blocks a batch may have.
  std::size_t blocks = 0;
};

/// Throws std::invalid_argument for names that PostgreSQL would cut, a key or
/// guard that is not among the columns, or an upsert without a key.
write_plan_ptr make_write_plan(std::string_view pipeline,
                               std::string_view tenant, shape rows_of,
                               const std::vector<write_target>& targets);

} // namespace millrace
