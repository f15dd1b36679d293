#include "actors/decode/column_compiler.hpp"

#include "actors/decode/compile_rules.hpp"
#include "actors/decode/reason.hpp"

#include <format>

namespace millrace::detail {

namespace {

/// Where the values of an expression come from that yields one of its
/// arguments; empty for all others.
std::span<const expression> choices_of(const expression& x) {
  std::span<const expression> all{x.arguments};
  switch (x.kind) {
    case expression_kind::coalesce:
    case expression_kind::required:
    case expression_kind::fallback:
      return all;
    case expression_kind::null_if:
      return all.first(1);
    case expression_kind::if_else:
      return all.subspan(1);
    default:
      return {};
  }
}

} // namespace

void column_compiler::compile(const expression& x, const column_place& at,
                              bool always, column_program& out) {
  const auto& target = at.target;
  out.how = *encoder_for(target);
  out.nullable = target.nullable;
  out.source_text = to_string(x);
  out.label = std::format("column {} ({}) from {}", target.name,
                          type_name(target), out.source_text);
  check_types(x, out.how, at);
  switch (x.kind) {
    case expression_kind::path:
      out.source = column_source::slot;
      out.slot = names_.slot_of(x, at.items);
      // Encoders of numbers check their text.
      if (always && out.how.kind <= encoder_kind::numeric)
        data_.number_checked_later[static_cast<std::size_t>(out.slot)] = 1;
      return;
    case expression_kind::text:
    case expression_kind::number:
    case expression_kind::boolean:
    case expression_kind::null:
      out.source = column_source::constant;
      constant(x, at, out);
      return;
    case expression_kind::partition:
      out.source = column_source::partition;
      return;
    case expression_kind::offset:
      out.source = column_source::offset;
      return;
    case expression_kind::index:
      out.source = column_source::index;
      return;
    case expression_kind::code:
      if (x.arguments.size() == 1
          && x.arguments.front().kind == expression_kind::path) {
        out.source = column_source::code;
        out.slot = names_.slot_of(x.arguments.front(), at.items);
        out.table = names_.table_of(x.text);
        out.codes = encoded_codes(out);
        return;
      }
      [[fallthrough]];
    default:
      out.source = column_source::step;
      out.step = names_.bind(x, at.items);
  }
}

void column_compiler::constant(const expression& x, const column_place& at,
                               column_program& out) {
  output field;
  auto value = constant_value(x);
  if (!value.is_null()) {
    if (auto wrong = encode(out.how, value, field, space_))
      problems_.add(inside(at.value, x.at), at.path,
                    std::format("found {} for {}, expected {}", describe(value),
                                type_name(at.target), wrong));
  } else if (at.target.nullable) {
    field.put_null();
  } else {
    problems_.add(inside(at.value, x.at), at.path,
                  "found null for a column that is NOT NULL");
  }
  out.constant = field.view();
}

std::vector<std::string>
column_compiler::encoded_codes(const column_program& column) {
  std::vector<std::string> result;
  for (const auto& x :
       data_.tables[static_cast<std::size_t>(column.table)].values) {
    output field;
    // One that does not fit is among the problems already.
    if (!encode(column.how, x, field, space_))
      result.emplace_back(field.view());
  }
  return result;
}

/// What can be known of types before there is a record.
void column_compiler::check_types(const expression& x, const encoder& how,
                                  const column_place& at) {
  if (x.kind == expression_kind::code) {
    check_codes(x, how, at);
    if (x.arguments.size() == 2)
      check_types(x.arguments[1], how, at);
    return;
  }
  if (auto choices = choices_of(x); !choices.empty()) {
    for (const auto& choice : choices)
      check_types(choice, how, at);
    return;
  }
  if (!fits(x.kind, how.kind))
    problems_.add(inside(at.value, x.at), at.path,
                  std::format("found {}, expected what fits type {}",
                              to_string(x), type_name(at.target)));
}

void column_compiler::check_codes(const expression& x, const encoder& how,
                                  const column_place& at) {
  const auto& table
    = data_.tables[static_cast<std::size_t>(names_.table_of(x.text))];
  for (const auto& value : table.values) {
    output field;
    if (auto wrong = encode(how, value, field, space_))
      problems_.add(inside(at.value, x.at), at.path,
                    std::format("found {} in the code table {} for type {}, "
                                "expected {}",
                                describe(value), table.name,
                                type_name(at.target), wrong));
  }
}

} // namespace millrace::detail
