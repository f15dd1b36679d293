#include "actors/decode/compile_rules.hpp"

namespace millrace::detail {

namespace {

/// Names the hash that chooses lanes.
constexpr std::string_view hash_name = "xxh64-0";

} // namespace

bool fits(expression_kind x, encoder_kind how) {
  auto is_text = how == encoder_kind::text || how == encoder_kind::bounded_text
                 || how == encoder_kind::padded_text;
  auto is_json = how == encoder_kind::json || how == encoder_kind::jsonb;
  switch (x) {
    case expression_kind::timestamp:
      return how == encoder_kind::timestamp || how == encoder_kind::timestamptz
             || how == encoder_kind::int8;
    case expression_kind::partition:
    case expression_kind::offset:
      return how <= encoder_kind::numeric || is_text || is_json;
    case expression_kind::payload:
      return is_text || is_json || how == encoder_kind::bytea;
    case expression_kind::path:
    case expression_kind::text:
    case expression_kind::number:
    case expression_kind::boolean:
    case expression_kind::null:
      // Known from the record, or by encoding the constant.
      return true;
    default:
      return how != encoder_kind::array;
  }
}

map_text::map_text(const pipeline_config& config) : config_{config} {
  text_.add(hash_name);
  text_.add(static_cast<uint32_t>(config.lanes));
}

void map_text::add(const expression& x) {
  text_.add(to_string(x));
  add_codes(x);
}

void map_text::add_codes(const expression& x) {
  if (x.kind == expression_kind::code)
    for (const auto& table : config_.codes)
      if (table.name == x.text)
        for (const auto& [name, value] : table.entries) {
          text_.add(name);
          text_.add(value);
        }
  for (const auto& argument : x.arguments)
    add_codes(argument);
}

void map_text::add(const write_config& write) {
  text_.add(write.table);
  text_.add(write.kind == write_kind::append ? "append" : "upsert");
  text_.add(static_cast<uint32_t>(write.key.size()));
  for (const auto& name : write.key)
    text_.add(name);
  text_.add(write.only_if_newer);
}

} // namespace millrace::detail
