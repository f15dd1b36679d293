#include "actors/store/write_plan.hpp"

#include "actors/store/fold_plan.hpp"
#include "actors/store/sql_text.hpp"
#include "messages/fnv.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace millrace {

namespace {

/// Not a name that a user's column could have by chance.
constexpr std::string_view row_number = "millrace_row";

bool is_ours(std::string_view name) {
  return name == row_number || name == "millrace_op" || name == "millrace_set"
         || name == "millrace_new" || name == "millrace_old";
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

void check(const write_target& x) {
  auto fail = [&x](std::string_view what) {
    throw std::invalid_argument("write into " + x.schema + '.' + x.table + ": "
                                + std::string{what});
  };
  if (x.columns.empty())
    fail("no columns");
  if (x.method != write_method::append && x.key.empty())
    fail("all but an append need a key");
  for (const auto& name : x.key)
    if (!has(x.columns, name))
      fail("the key column " + name + " is not written");
  if (x.always && x.method != write_method::append)
    fail("only an append can be made always");
  if (!x.only_if_newer.empty() && !has(x.columns, x.only_if_newer))
    fail("the column of only_if_newer, " + x.only_if_newer
         + ", is not written");
  if (std::ranges::any_of(x.columns, is_ours))
    fail("a column has a name that the store needs");
}

/// INSERT … SELECT … ON CONFLICT, keys sorted.
std::string merge_statement(const write_target& x, const planned_write& plan) {
  auto columns = name_list(x.columns);
  auto key = name_list(x.key);
  auto guard = x.only_if_newer.empty() ? std::string{}
                                       : quote_identifier(x.only_if_newer);
  auto result = "INSERT INTO " + plan.table + " AS t (" + columns + ") SELECT ";
  // Of rows with one key the greatest guard wins, and of equal guards the
  // first, as it would if each row came in a flush of its own.
  if (!guard.empty())
    result += "DISTINCT ON (" + key + ") " + columns + " FROM pg_temp."
              + plan.staging + " ORDER BY " + key + ',' + guard
              + " DESC NULLS LAST," + std::string{row_number};
  else
    result += columns + " FROM pg_temp." + plan.staging + " ORDER BY " + key;
  result += " ON CONFLICT (" + key + ") DO ";
  std::string changes;
  for (const auto& name : x.columns) {
    if (has(x.key, name))
      continue;
    auto quoted = quote_identifier(name);
    changes += (changes.empty() ? "" : ",") + quoted + "=EXCLUDED." + quoted;
  }
  if (changes.empty())
    return result + "NOTHING";
  result += "UPDATE SET " + changes;
  if (!guard.empty())
    result += " WHERE EXCLUDED." + guard + ">t." + guard + " OR (t." + guard
              + " IS NULL AND EXCLUDED." + guard + " IS NOT NULL)";
  return result;
}

/// Sessions serve several pipelines and outlive changes of a table: the name
/// says whose rows of which shape are in it.
std::string staging_name(std::string_view pipeline, std::string_view tenant,
                         const planned_write& plan, shape rows_of) {
  auto hash = fnv_start;
  for (auto part : {pipeline, tenant})
    hash = fnv(fnv(hash, std::to_string(part.size()) + ':'), part);
  hash = fnv(hash, std::to_string(plan.block) + plan.table);
  return "mr_" + hex(hash) + '_' + hex(rows_of.value);
}

void plan_upsert(const write_target& x, planned_write& plan) {
  auto columns = name_list(x.columns);
  plan.numbered = !x.only_if_newer.empty();
  auto extra = std::string{plan.numbered ? ",0::bigint AS " : ""}
               + std::string{plan.numbered ? row_number : ""};
  plan.create_staging = "CREATE TEMP TABLE IF NOT EXISTS " + plan.staging
                        + " ON COMMIT DELETE ROWS AS SELECT " + columns + extra
                        + " FROM " + plan.table + " WITH NO DATA";
  plan.copy = "COPY pg_temp." + plan.staging + " (" + columns
              + (plan.numbered ? "," + std::string{row_number} : "")
              + ") FROM STDIN (FORMAT binary)";
  plan.merge = merge_statement(x, plan);
}

planned_write plan_of(const write_target& x, std::size_t block) {
  planned_write result;
  result.block = block;
  result.method = x.method;
  result.table = quote_identifier(x.schema, x.table);
  result.schema = x.schema;
  result.name = x.table;
  result.coordinates = x.coordinates;
  result.always = x.always;
  return result;
}

write_trait trait_of(const write_target& x) {
  auto creates = x.method == write_method::append
                 || x.method == write_method::upsert;
  return {fnv(fnv_start, quote_identifier(x.schema, x.table)), creates,
          x.on_missing, x.always};
}

/// Of all columns that the writes into one table fill (rule 26).
std::string column_check(const std::string& table,
                         const std::vector<fold_member>& writes) {
  std::map<std::string, std::string> types;
  for (const auto& [target, block] : writes)
    for (std::size_t i = 0; i < target->types.size(); ++i)
      types[target->columns.at(i)] = target->types[i];
  if (types.empty())
    return {};
  std::vector<std::string> names;
  std::vector<std::string> kinds;
  for (const auto& [name, type] : types) {
    names.push_back(name);
    kinds.push_back(type);
  }
  return ",millrace.check_columns(" + quote_literal(table) + ','
         + quote_literal(array_text(names)) + "::text[],"
         + quote_literal(array_text(kinds)) + "::text[])";
}

} // namespace

write_plan_ptr make_write_plan(std::string_view pipeline,
                               std::string_view tenant, shape rows_of,
                               const std::vector<write_target>& targets) {
  auto result = std::make_shared<write_plan>();
  result->rows_of = rows_of;
  result->blocks = targets.size();
  std::map<std::string, std::vector<fold_member>> tables;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    check(targets[i]);
    result->traits.push_back(trait_of(targets[i]));
    auto& to = result->targets.emplace_back(targets[i].schema, targets[i].table,
                                            targets[i].columns,
                                            targets[i].types, targets[i].late);
    to.types.resize(to.columns.size());
    tables[quote_identifier(targets[i].schema, targets[i].table)].push_back(
      {&targets[i], i});
  }
  // The map's order is the one that flushes of different lanes agree on.
  for (const auto& [table, writes] : tables) {
    result->check += column_check(table, writes);
    if (must_fold(writes)) {
      auto& plan = result->writes.emplace_back(
        plan_of(*writes.front().target, writes.front().block));
      plan.method = write_method::upsert;
      plan.staging = staging_name(pipeline, tenant, plan, rows_of);
      plan_fold(writes, plan);
      continue;
    }
    for (const auto& [target, block] : writes) {
      auto& plan = result->writes.emplace_back(plan_of(*target, block));
      if (target->method == write_method::append) {
        plan.copy = "COPY " + plan.table + " (" + name_list(target->columns)
                    + ") FROM STDIN (FORMAT binary)";
        continue;
      }
      plan.staging = staging_name(pipeline, tenant, plan, rows_of);
      plan_upsert(*target, plan);
    }
  }
  return result;
}

} // namespace millrace
