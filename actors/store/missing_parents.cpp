#include "actors/store/missing_parents.hpp"

#include "actors/store/parent_keys.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <format>
#include <optional>
#include <ranges>
#include <utility>

namespace millrace {

namespace {

/// PostgreSQL takes 65,535 parameters.
constexpr std::size_t fields_at_once = 10'000;

/// `column`, name, name in the parent for each column of the foreign key $3 of
/// the table $2 in the schema $1; `parent`, name, schema; `table`, name, schema
/// for the table and those that it is a partition of. Nothing for a key that
/// is MATCH FULL.
constexpr auto reference_query
  = "WITH RECURSIVE k AS (SELECT x.conrelid, x.confrelid, x.conkey, x.confkey "
    "FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class t ON t.oid = "
    "x.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE "
    "n.nspname = $1 AND t.relname = $2 AND x.conname = $3 AND x.contype = 'f' "
    "AND x.confmatchtype = 's'), up AS (SELECT conrelid AS oid FROM k UNION "
    "SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN up ON h.inhrelid = "
    "up.oid) SELECT * FROM (SELECT 'column', a.attname::text, f.attname::text, "
    "c.n FROM k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY "
    "AS c(own, other, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = "
    "k.conrelid AND a.attnum = c.own JOIN pg_catalog.pg_attribute f ON "
    "f.attrelid = k.confrelid AND f.attnum = c.other UNION ALL SELECT "
    "'parent', p.relname::text, n.nspname::text, 0 FROM k JOIN "
    "pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace "
    "n ON n.oid = p.relnamespace UNION ALL SELECT 'table', t.relname::text, "
    "n.nspname::text, 0 FROM up JOIN pg_catalog.pg_class t ON t.oid = up.oid "
    "JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace) x(what, name, "
    "other, n) ORDER BY n";

parent_reference read_reference(const sql_result& found) {
  parent_reference result;
  for (const auto& row : found.rows) {
    auto name = row[1].value_or("");
    auto other = row[2].value_or("");
    if (row[0] == "column") {
      result.columns.push_back(name);
      result.parent_columns.push_back(other);
    } else if (row[0] == "parent") {
      result.parent = quote_identifier(other, name);
      result.parent_name = {other, name};
    } else {
      result.tables.emplace_back(other, name);
    }
  }
  return result;
}

/// Which of `number` keys, whose fields are parameters, no row of the parent
/// has.
std::string absent_query(const parent_reference& by, std::size_t number) {
  auto width = by.columns.size();
  std::string keys;
  for (std::size_t i = 0; i < number; ++i) {
    keys += std::format("{}({}", i == 0 ? "" : ",", i);
    for (std::size_t f = 0; f < width; ++f)
      keys += std::format(",${}", i * width + f + 1);
    keys += ')';
  }
  std::string names;
  std::string same;
  for (std::size_t f = 0; f < width; ++f) {
    names += std::format(",f{}", f);
    same += std::format("{}p.{} = k.f{}", f == 0 ? "" : " AND ",
                        quote_identifier(by.parent_columns[f]), f);
  }
  return "SELECT k.n FROM (VALUES " + keys + ") k(n" + names
         + ") WHERE NOT EXISTS (SELECT FROM " + by.parent + " p WHERE " + same
         + ')';
}

/// Moves the writes of absent parents into `to`.
store_result<void> ask(connection& conn, const parent_reference& by,
                       const std::vector<uint32_t>& types,
                       std::span<const keyed_writes::const_iterator> keys,
                       std::vector<missing_write>& to) {
  std::vector<sql_value> fields;
  for (const auto& key : keys)
    for (std::size_t f = 0; f < types.size(); ++f)
      fields.push_back({types[f], key->first[f]});
  auto found = conn.query(absent_query(by, keys.size()), fields);
  if (!found)
    return std::unexpected{found.error()};
  for (const auto& row : found->rows)
    if (auto i = std::stoul(row[0].value_or("0")); i < keys.size())
      std::ranges::copy(keys[i]->second, std::back_inserter(to));
  return {};
}

} // namespace

store_result<std::vector<missing_write>>
find_missing_parents(connection& conn, const flush_result& failed,
                     const flush& work) {
  std::vector<missing_write> result;
  auto found = conn.query(reference_query,
                          {failed.schema, failed.table, failed.constraint});
  if (!found)
    return std::unexpected{found.error()};
  auto by = read_reference(*found);
  auto types = key_types(*work.plan, by);
  if (types.empty())
    return result;
  auto keys = named_parents(work, by);
  drop_brought(work, by, keys);
  std::vector<keyed_writes::const_iterator> all;
  for (auto i = keys.cbegin(); i != keys.cend(); ++i)
    all.push_back(i);
  auto room = std::max<std::size_t>(fields_at_once / types.size(), 1);
  for (auto part : all | std::views::chunk(room))
    if (auto done = ask(conn, by, types, part, result); !done)
      return std::unexpected{done.error()};
  return result;
}

void judge_missing_parents(connection& conn, flush_result& result,
                           const flush& work) {
  if (result.sqlstate != "23503" || result.action != failure_action::bisect
      || !work.plan || result.constraint.empty() || !conn.is_open())
    return;
  auto missing = find_missing_parents(conn, result, work);
  // Without an answer the events are found one by one.
  if (!missing || missing->empty())
    return;
  result.action = failure_action::missing;
  // The detail is about one of them.
  result.reason = result.message + "; table " + result.table + "; constraint "
                  + result.constraint;
  result.missing = std::move(*missing);
}

} // namespace millrace
