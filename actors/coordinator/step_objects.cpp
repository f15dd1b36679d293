#include "actors/coordinator/step_objects.hpp"

#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

std::unexpected<store_error> refuse(std::string why, std::string sqlstate) {
  return std::unexpected{
    store_error{store_errc::refused, std::move(sqlstate), std::move(why)}};
}

} // namespace

step_objects::step_objects(connection& conn, std::string schema)
  : conn_{conn},
    schema_{std::move(schema)} {
}

store_result<sql_row> step_objects::one_row(const std::string& question,
                                            const sql_params& params) {
  auto found = conn_.query(question, params);
  if (!found)
    return std::unexpected{std::move(found.error())};
  return found->rows.empty() ? sql_row{} : std::move(found->rows[0]);
}

store_result<sql_row> step_objects::relation(const std::string& written) {
  auto home = names_schema(written) ? std::nullopt : std::optional{schema_};
  return one_row(
    "SELECT n.nspname, c.relkind, (SELECT h.inhdetachpending FROM "
    "pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition) "
    "FROM "
    "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
    "c.relnamespace WHERE c.oid = coalesce(to_regclass(quote_ident($2) || '.' "
    "|| $1), to_regclass($1))",
    {written, std::move(home)});
}

store_result<sql_row> step_objects::index(const std::string& schema,
                                          const std::string& name) {
  return one_row(
    "SELECT i.indisvalid, c.relkind FROM pg_catalog.pg_index i JOIN "
    "pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN "
    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 "
    "AND c.relname = $2",
    {schema, name});
}

store_result<void> step_objects::check(const concurrent_step& step) {
  switch (step.kind) {
    case step_kind::create_index:
      return check_create(step);
    case step_kind::drop_index:
      return check_drop(step);
    case step_kind::detach_partition:
      return check_detach(step);
    default:
      return {};
  }
}

store_result<void> step_objects::check_create(const concurrent_step& step) {
  auto table = relation(step.table);
  if (!table)
    return std::unexpected{std::move(table.error())};
  if (table->empty())
    return refuse("there is no table " + step.table, "42P01");
  auto found = index(std::string{text_of((*table)[0])}, step.object_name);
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (!found->empty() && bool_of((*found)[0]) && !step.lenient)
    return refuse("there is an index " + step.object_name
                    + " already, and this file has not made it: drop it, or "
                      "give this one another name",
                  "42P07");
  return {};
}

store_result<void> step_objects::check_drop(const concurrent_step& step) {
  auto found = relation(step.object);
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->empty() && !step.lenient)
    return refuse("there is no index " + step.object
                    + ": see how it is called, or write IF EXISTS",
                  "42704");
  return {};
}

store_result<void> step_objects::check_detach(const concurrent_step& step) {
  auto table = relation(step.table);
  if (!table)
    return std::unexpected{std::move(table.error())};
  if (table->empty() && step.lenient)
    return {};
  auto part = relation(step.object);
  if (!part)
    return std::unexpected{std::move(part.error())};
  if (table->empty() || part->empty() || !(*part)[2])
    return refuse(step.table + " has no partition " + step.object
                    + ": see how it is called",
                  "42P01");
  return {};
}

} // namespace millrace
