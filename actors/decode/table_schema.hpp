#pragma once

// What the decode path must know of a target table. The STORE reads it from
// the catalog; nothing here knows how.

#include "messages/ids.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One column as the live table has it.
struct column_schema {
  std::string name;

  /// `format_type(atttypid, NULL)`: the type without its modifier, for example
  /// "numeric", "timestamp with time zone", "bigint", "character varying",
  /// "bigint[]". An enum or other own type has its own name.
  std::string type = {};

  /// pg_attribute.atttypid.
  uint32_t type_oid = 0;

  /// pg_attribute.atttypmod; -1 when there is none.
  int32_t typmod = -1;

  bool nullable = true;
  bool has_default = false;

  /// Generated column, or identity that is always generated: never written.
  bool generated = false;

  /// pg_type.typtype: 'b' base, 'e' enum, 'd' domain, 'c' composite; or
  /// `unknown_kind`.
  char type_kind = 'b';
};

/// The kind of a column that was not looked up: it takes all values as text.
constexpr char unknown_kind = '?';

/// A target table with its unique indexes.
struct table_schema {
  std::string schema;
  std::string name;

  /// In the table's order, without dropped columns.
  std::vector<column_schema> columns;

  /// Column names of each unique index that is valid, immediate, and has
  /// neither expressions nor a predicate; the primary key among them.
  std::vector<std::vector<std::string>> unique_keys;
};

/// Finds a column, or nullptr.
const column_schema* find_column(const table_schema& table,
                                 std::string_view name);

/// Fingerprint of the columns that rows are encoded for, in tuple order.
///
/// XXH64 (seed 0) over, per column: the name's length (uint32) and bytes, the
/// type's length and bytes, type oid (uint32), modifier (int32); all little
/// endian. An own type (oid >= 16384) enters with oid 0: its oid differs from
/// one database to the next. Frozen: the values are stored in the lane rows.
shape fingerprint(std::span<const column_schema> columns);

/// The same for several tables: chains the tables' names and columns.
struct table_columns {
  std::string_view table;
  std::span<const column_schema> columns;
};

shape fingerprint(std::span<const table_columns> tables);

} // namespace millrace
