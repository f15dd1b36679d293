#include "actors/decode/table_schema.hpp"

#include "actors/decode/fingerprint.hpp"

namespace millrace {

namespace {

/// Oids from here on are given out by the database itself.
constexpr uint32_t first_own_oid = 16'384;

void add(detail::fingerprint_text& text,
         std::span<const column_schema> columns) {
  for (const auto& x : columns) {
    text.add(x.name);
    text.add(x.type);
    text.add(x.type_oid < first_own_oid ? x.type_oid : 0);
    text.add(static_cast<uint32_t>(x.typmod));
  }
}

} // namespace

const column_schema* find_column(const table_schema& table,
                                 std::string_view name) {
  for (const auto& x : table.columns)
    if (x.name == name)
      return &x;
  return nullptr;
}

shape fingerprint(std::span<const column_schema> columns) {
  detail::fingerprint_text text;
  add(text, columns);
  return {text.hash()};
}

shape fingerprint(std::span<const table_columns> tables) {
  detail::fingerprint_text text;
  for (const auto& x : tables) {
    text.add(x.table);
    text.add(static_cast<uint32_t>(x.columns.size()));
    add(text, x.columns);
  }
  return {text.hash()};
}

} // namespace millrace
