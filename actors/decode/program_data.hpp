#pragma once

// The insides of a program: flat tables that the decoder walks. Everything
// that can be looked up by name has been looked up.

#include "actors/decode/encoder.hpp"
#include "actors/decode/expression.hpp"
#include "actors/decode/name_index.hpp"
#include "actors/decode/program.hpp"
#include "actors/decode/value.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace::detail {

/// A member of the payload that somebody reads, or an object on the way to
/// one. Node 0 is the root.
struct path_node {
  std::string name;

  /// Where the member's value goes; -1 when only its members are read.
  int slot = -1;

  /// Children by name.
  name_index children;

  /// Slots of all nodes beneath this one.
  std::vector<int> slots_beneath;
};

struct code_table {
  std::string name;
  name_index index;

  /// By the number that `index` gives. The texts belong to the table.
  std::vector<std::string> texts;
  std::vector<value> values;
};

/// An expression whose names are resolved.
struct step {
  expression_kind kind = expression_kind::null;

  /// Path: the slot.
  int slot = -1;

  /// Code: the table.
  int table = -1;

  /// Constant: boolean and number; texts are in `text`.
  value constant;

  /// Header name or constant text.
  std::string text;

  /// The expression in words, for reasons.
  std::string source;

  /// Numbers of other steps.
  std::vector<int> arguments;
};

/// How a column gets its value.
enum class column_source : uint8_t {
  /// A member of the payload: the common case.
  slot,
  /// The same bytes for every row.
  constant,
  /// A code table looked up by a member; its fields are encoded already.
  code,
  /// Facts of the record that nearly every table of events keeps.
  partition,
  offset,
  /// Whatever a step yields.
  step,
};

struct column_program {
  column_source source = column_source::slot;
  int slot = -1;
  int step = -1;
  int table = -1;
  encoder how;
  bool nullable = true;

  /// A whole field, length included.
  std::string constant;

  /// Whole fields by the code table's numbers.
  std::vector<std::string> codes;

  /// For reasons: "column bid_price (numeric) from .bid".
  std::string label;
};

struct write_program {
  /// The tuple's first bytes: its number of fields.
  std::string head;
  std::vector<column_program> columns;

  /// Indexes into `columns`.
  std::vector<std::size_t> key;

  /// Key columns must not be NULL: equality would not hold.
  bool key_must_be_known = false;

  /// Made for records without a value, and for those only.
  bool on_tombstone = false;
};

struct program_data {
  std::vector<write_info> infos;
  std::vector<write_program> writes;
  std::vector<path_node> nodes;
  std::vector<code_table> tables;
  std::vector<step> steps;

  std::size_t slots = 0;

  /// Larger payloads are rejects and are not read.
  std::size_t max_record_bytes = 0;

  /// Per slot: a column's encoder reads the number's text in any case and
  /// checks it, so the scan need not.
  std::vector<uint8_t> number_checked_later;

  std::string constant_tenant;
  int tenant_step = -1;
  int route_step = -1;

  /// Two prices to compare, or -1.
  int crossed_bid_step = -1;
  int crossed_ask_step = -1;
  bool needs_headers = false;

  /// Some write is made for tombstones; else they are rejects.
  bool takes_tombstones = false;
  uint64_t map_fingerprint = 0;
  millrace::shape shape;
};

} // namespace millrace::detail
