#pragma once

// From values to COPY binary fields. One encoder per column type; the layout
// of each is that of the type's receive function in PostgreSQL.

#include "actors/decode/datetime.hpp"
#include "actors/decode/numeric.hpp"
#include "actors/decode/output.hpp"
#include "actors/decode/table_schema.hpp"
#include "actors/decode/value.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace::detail {

enum class encoder_kind : uint8_t {
  int2,
  int4,
  int8,
  float4,
  float8,
  numeric,
  boolean,
  text,
  bounded_text,
  /// Blank padded: spaces at the end mean nothing.
  padded_text,
  timestamp,
  timestamptz,
  date,
  /// Time of day without a zone.
  time,
  uuid,
  json,
  jsonb,
  bytea,
  array,
  /// A column of which nothing is known: everything becomes text.
  any,
};

/// Says how a column's values are made.
struct encoder {
  encoder_kind kind = encoder_kind::text;
  numeric_limits numeric;

  /// Characters that a bounded or padded text may have.
  int32_t max_characters = 0;

  /// Times: digits of the second that the column keeps.
  int32_t second_digits = 6;

  /// Array: how its elements are made, and their type's oid.
  encoder_kind element = encoder_kind::text;
  uint32_t element_oid = 0;
};

/// Chooses the encoder for a column, or nothing when its type has none.
std::optional<encoder> encoder_for(const column_schema& column);

/// The column's type as SQL would say it: "numeric(20,8)".
std::string type_name(const column_schema& column);

/// Whether equal values can be told by their bytes, after `put_key` made them
/// canonical.
bool fits_key(const encoder& x) noexcept;

/// Buffers that encoders borrow.
struct workspace {
  date_cache dates;
  output text;
};

/// The number in the payload is none: not the column's fault.
extern const complaint not_a_json_number;

/// Appends one field, length included, for a value that is not null. Returns
/// nullptr, or what was expected; the output is then as before. The caller's
/// `number` of a blocked value is refused like any other.
complaint encode(const encoder& how, const value& x, output& out,
                 workspace& space);

/// Appends the canonical form of an encoded field (without its length): equal
/// for values that PostgreSQL's default equality calls equal.
void put_key(const encoder& how, std::string_view field, output& out);

} // namespace millrace::detail
