#include "actors/decode/encoder.hpp"

#include <array>
#include <format>

namespace millrace::detail {

namespace {

struct type_row {
  std::string_view name;
  uint32_t oid;
  encoder_kind kind;
};

// The oids are PostgreSQL's, fixed for ever (pg_type.dat).
constexpr std::array types{
  type_row{"smallint", 21, encoder_kind::int2},
  type_row{"integer", 23, encoder_kind::int4},
  type_row{"bigint", 20, encoder_kind::int8},
  type_row{"real", 700, encoder_kind::float4},
  type_row{"double precision", 701, encoder_kind::float8},
  type_row{"numeric", 1700, encoder_kind::numeric},
  type_row{"boolean", 16, encoder_kind::boolean},
  type_row{"text", 25, encoder_kind::text},
  type_row{"character varying", 1043, encoder_kind::bounded_text},
  type_row{"character", 1042, encoder_kind::padded_text},
  type_row{"bpchar", 1042, encoder_kind::padded_text},
  type_row{"timestamp without time zone", 1114, encoder_kind::timestamp},
  type_row{"timestamp with time zone", 1184, encoder_kind::timestamptz},
  type_row{"date", 1082, encoder_kind::date},
  type_row{"time without time zone", 1083, encoder_kind::time},
  type_row{"uuid", 2950, encoder_kind::uuid},
  type_row{"json", 114, encoder_kind::json},
  type_row{"jsonb", 3802, encoder_kind::jsonb},
  type_row{"bytea", 17, encoder_kind::bytea},
};

const type_row* find_type(std::string_view name) {
  for (const auto& row : types)
    if (row.name == name)
      return &row;
  return nullptr;
}

} // namespace

std::optional<encoder> encoder_for(const column_schema& column) {
  if (column.type_kind == 'e')
    return encoder{};
  std::string_view name = column.type;
  auto is_array = name.ends_with("[]");
  if (is_array)
    name.remove_suffix(2);
  encoder result;
  if (column.type_kind == unknown_kind) {
    result.kind = encoder_kind::any;
    return result;
  }
  auto row = find_type(name);
  if (!row || column.type_kind != 'b')
    return std::nullopt;
  result.kind = row->kind;
  result.numeric = row->kind == encoder_kind::numeric
                     ? numeric_limits::from_typmod(column.typmod)
                     : numeric_limits{};
  if (row->kind == encoder_kind::bounded_text
      || row->kind == encoder_kind::padded_text) {
    // Without a modifier there is no limit; the length has 4 added.
    if (column.typmod < 4)
      result.kind = row->kind == encoder_kind::bounded_text
                      ? encoder_kind::text
                      : encoder_kind::padded_text;
    result.max_characters = column.typmod < 4 ? 0x7fffffff : column.typmod - 4;
  }
  if ((row->kind == encoder_kind::timestamp
       || row->kind == encoder_kind::timestamptz
       || row->kind == encoder_kind::time)
      && column.typmod >= 0)
    result.second_digits = column.typmod;
  if (is_array) {
    result.element = result.kind;
    result.kind = encoder_kind::array;
    result.element_oid = row->oid;
  }
  return result;
}

std::string type_name(const column_schema& column) {
  auto how = encoder_for(column);
  if (!how || column.typmod < 4)
    return column.type;
  auto is_array = how->kind == encoder_kind::array;
  auto kind = is_array ? how->element : how->kind;
  auto name = column.type.substr(0, column.type.size() - (is_array ? 2 : 0));
  auto suffix = is_array ? "[]" : "";
  if (kind == encoder_kind::numeric)
    return std::format("{}({},{}){}", name, how->numeric.precision,
                       how->numeric.scale, suffix);
  if (kind == encoder_kind::bounded_text || kind == encoder_kind::padded_text)
    return std::format("{}({}){}", name, how->max_characters, suffix);
  return column.type;
}

bool fits_key(const encoder& x) noexcept {
  return x.kind != encoder_kind::json && x.kind != encoder_kind::jsonb
         && x.kind != encoder_kind::array;
}

void put_key(const encoder& how, std::string_view field, output& out) {
  // Where a field ends must be part of what is hashed.
  auto length = out.begin_field();
  switch (how.kind) {
    case encoder_kind::numeric:
      // All but the display scale: 1.0 is 1.00.
      out.put(field.substr(0, 6));
      out.put(field.substr(8));
      break;
    case encoder_kind::float4:
    case encoder_kind::float8: {
      // -0 is 0. A NaN has one form here already.
      auto zero = (field[0] & 0x7f) == 0
                  && field.find_first_not_of('\0', 1) == field.npos;
      out.put_big(static_cast<int8_t>(zero ? 0 : field[0]));
      out.put(field.substr(1));
      break;
    }
    case encoder_kind::padded_text:
      while (field.ends_with(' '))
        field.remove_suffix(1);
      out.put(field);
      break;
    default:
      out.put(field);
  }
  out.end_field(length);
}

} // namespace millrace::detail
