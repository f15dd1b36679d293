#include "actors/store/missing_parents.hpp"

#include "actors/store/parent_keys.hpp"
#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <ranges>
#include <set>
#include <string>
#include <utility>

namespace millrace {

namespace {

/// PostgreSQL takes 65,535 parameters.
constexpr std::size_t fields_at_once = 10'000;

/// A row for each column of each foreign key of some tables, but for keys that
/// are MATCH FULL and those for single partitions of a parent.
constexpr auto reference_query
  = "SELECT x.conname::text, w.schema, w.name, n.nspname::text, "
    "p.relname::text, a.attname::text, f.attname::text FROM "
    "unnest($1::text[], $2::text[]) w(schema, name) JOIN "
    "pg_catalog.pg_namespace s ON s.nspname = w.schema JOIN "
    "pg_catalog.pg_class t ON t.relnamespace = s.oid AND t.relname = w.name "
    "JOIN pg_catalog.pg_constraint x ON x.conrelid = t.oid AND x.contype = 'f' "
    "AND x.confmatchtype = 's' AND NOT EXISTS (SELECT FROM "
    "pg_catalog.pg_constraint u WHERE u.oid = x.conparentid AND u.conrelid = "
    "x.conrelid) JOIN pg_catalog.pg_class p ON p.oid = x.confrelid JOIN "
    "pg_catalog.pg_namespace n ON n.oid = p.relnamespace CROSS JOIN LATERAL "
    "unnest(x.conkey, x.confkey) WITH ORDINALITY c(own, other, nth) JOIN "
    "pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.own JOIN "
    "pg_catalog.pg_attribute f ON f.attrelid = p.oid AND f.attnum = c.other "
    "ORDER BY w.schema, w.name, x.conname, c.nth";

/// Of the tables that the flush has rows for.
sql_params tables_of(const flush& work) {
  std::set<std::pair<std::string, std::string>> tables;
  for (const auto& source : work.sources)
    for (std::size_t i = 0; i < source.data->blocks.size(); ++i)
      if (source.data->blocks[i].rows() > 0 && i < work.plan->targets.size())
        tables.emplace(work.plan->targets[i].schema,
                       work.plan->targets[i].table);
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  for (const auto& [schema, name] : tables) {
    schemas.push_back(schema);
    names.push_back(name);
  }
  return {array_text(schemas), array_text(names)};
}

std::vector<parent_reference> read_references(const sql_result& found) {
  std::vector<parent_reference> result;
  for (const auto& row : found.rows) {
    auto text = [&row](std::size_t i) { return row[i].value_or(""); };
    std::pair table{text(1), text(2)};
    if (result.empty() || result.back().name != text(0)
        || result.back().table != table) {
      auto& x = result.emplace_back();
      x.name = text(0);
      x.table = table;
      x.parent = quote_identifier(text(3), text(4));
      x.parent_name = {text(3), text(4)};
    }
    result.back().columns.push_back(text(5));
    result.back().parent_columns.push_back(text(6));
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

/// The writes of one foreign key whose parents are absent.
store_result<std::vector<missing_write>>
find_by(connection& conn, const parent_reference& by, const flush& work) {
  std::vector<missing_write> result;
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

} // namespace

store_result<missing_parents> find_missing_parents(connection& conn,
                                                   const flush& work) {
  missing_parents result;
  auto found = conn.query(reference_query, tables_of(work));
  if (!found)
    return std::unexpected{found.error()};
  for (const auto& by : read_references(*found)) {
    auto writes = find_by(conn, by, work);
    if (!writes)
      return std::unexpected{writes.error()};
    if (writes->empty())
      continue;
    std::ranges::move(*writes, std::back_inserter(result.writes));
    result.constraints.push_back(by.table.second + '.' + by.name);
  }
  return result;
}

void judge_missing_parents(connection& conn, flush_result& result,
                           const flush& work) {
  if (result.sqlstate != "23503" || result.action != failure_action::bisect
      || !work.plan || !conn.is_open())
    return;
  auto missing = find_missing_parents(conn, work);
  // Without an answer the events are found one by one.
  if (!missing || missing->writes.empty())
    return;
  result.action = failure_action::missing;
  // PostgreSQL's detail is about one of them.
  result.reason = "a row that a foreign key names is not there:";
  for (const auto& x : missing->constraints)
    result.reason += (x == missing->constraints.front() ? " " : " or ") + x;
  result.missing = std::move(missing->writes);
}

} // namespace millrace
