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
/// one. Node 0 is the root; each loop has a root for its elements.
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

  /// Epoch functions: digits of the unit. Parts of a time: which. An
  /// element's index: its loop.
  int detail = -1;

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
  /// Which row of its write and event it is.
  index,
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

  /// The expression.
  std::string source_text;
};

/// A loop over the elements of some arrays.
struct each_program {
  /// The arrays, one after the other, and their names for reasons.
  std::vector<int> slots;
  std::vector<std::string> sources;

  /// The node of an element: a root of its own.
  int node = -1;
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

  /// Made for rejects as well, where its columns can be computed.
  bool always = false;

  /// The condition, or -1; asked for each element where there are loops.
  int when = -1;

  /// From the outer to the inner loop; a row for each element of the last.
  std::vector<each_program> each;
};

/// What one kind of event makes.
struct event_program {
  /// -1: always.
  int when = -1;

  /// -1: none; the lane is then chosen by the key.
  int route = -1;

  /// Two prices to compare, or -1.
  int crossed_bid = -1;
  int crossed_ask = -1;

  /// Numbers of its writes.
  std::vector<std::size_t> writes;

  /// Some write is made for tombstones; else they are rejects.
  bool takes_tombstones = false;
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
  oversized_policy oversized = oversized_policy::keep;

  /// Per slot: a column's encoder reads the number's text in any case and
  /// checks it, so the scan need not.
  std::vector<uint8_t> number_checked_later;

  std::string constant_tenant;
  int tenant_step = -1;

  /// The event's type, or -1.
  int type_step = -1;

  /// Every event is the first one's, without a question.
  bool one_event = false;

  std::vector<event_program> events;

  /// Numbers of the events to try, in order: by the number that `types` gives,
  /// and where there are no types.
  name_index types;
  std::vector<std::vector<int>> by_type;
  std::vector<int> untyped;

  /// Made beside the event that was chosen.
  std::vector<int> every;

  /// Chooses the lane of events that nobody takes, or -1: by the key.
  int stray_route = -1;

  /// Events that nobody takes are rejects.
  bool reject_unmatched = true;

  /// Members' names are told apart without regard to case.
  bool any_case = false;
  bool needs_headers = false;

  /// Some event takes tombstones.
  bool takes_tombstones = false;

  /// Larger events are rejects.
  std::size_t max_event_rows = 0;
  std::size_t max_event_bytes = 0;
  uint64_t map_fingerprint = 0;
  millrace::shape shape;
};

} // namespace millrace::detail
