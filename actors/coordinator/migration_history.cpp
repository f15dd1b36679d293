#include "actors/coordinator/migration_history.hpp"

#include "actors/store/catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

store_result<void> nothing_of(store_result<sql_result> x) {
  if (!x)
    return std::unexpected{std::move(x.error())};
  return {};
}

applied_migration read_row(const sql_row& row) {
  applied_migration x;
  x.version = int32_of(row[0]);
  x.name = text_of(row[1]);
  x.description = text_of(row[2]);
  x.author = text_of(row[3]);
  x.checksum = text_of(row[4]);
  x.applied_at = text_of(row[5]);
  x.execution_time_ms = int_of(row[6]);
  x.applied_by = text_of(row[7]);
  x.baseline = bool_of(row[8]);
  return x;
}

/// Repeatable files have no version; their name tells them apart.
std::string name_in_steps(const migration& file) {
  return file.repeatable() ? "R_" + file.name : file.name;
}

} // namespace

std::expected<migration_set, std::string> files_of(const migration_job& job) {
  return job.folder.empty() ? load_embedded_migrations(job.set)
                            : load_migrations(job.set, job.folder);
}

history_tables::history_tables(connection& conn, std::string schema)
  : conn_{conn},
    schema_{std::move(schema)},
    versions_{quote_identifier(schema_, "schema_migrations")},
    repeatables_{quote_identifier(schema_, "schema_repeatables")},
    steps_{quote_identifier(schema_, "schema_migration_steps")} {
}

store_result<void> history_tables::check_shape() {
  auto found = conn_.query(
    "SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = "
    "to_regclass($1) AND NOT attisdropped AND attname IN ('pack', 'version', "
    "'name', 'description', 'checksum', 'applied_at', 'execution_time_ms', "
    "'applied_by')",
    {versions_});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (int_of(found->rows[0][0]) == 8)
    return {};
  return std::unexpected{store_error{
    store_errc::refused,
    {},
    "the table " + versions_
      + " is another tool's: rename it, and write down what it has applied "
        "with 'millrace migrate baseline --version N'"}};
}

store_result<migration_history> history_tables::read(const std::string& set) {
  migration_history result;
  auto there = has_relation(conn_, versions_);
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (!*there)
    return result;
  if (auto good = check_shape(); !good)
    return std::unexpected{std::move(good.error())};
  // Columns that older tables lack are asked for by way of JSON.
  auto rows = conn_.query(
    "SELECT version, name, description, coalesce(to_jsonb(m)->>'author', ''), "
    "checksum, applied_at, execution_time_ms, applied_by, "
    "coalesce((to_jsonb(m)->>'baseline')::boolean, false) FROM "
      + versions_ + " m WHERE pack = $1 ORDER BY version",
    {set});
  if (!rows)
    return std::unexpected{std::move(rows.error())};
  for (const auto& row : rows->rows)
    result.versions.push_back(read_row(row));
  there = has_relation(conn_, steps_);
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (!*there)
    return result;
  rows = conn_.query("SELECT 0, name, description, author, checksum, "
                     "applied_at, execution_time_ms, applied_by, false FROM "
                       + repeatables_
                       + " WHERE pack = $1 ORDER BY name COLLATE \"C\"",
                     {set});
  if (!rows)
    return std::unexpected{std::move(rows.error())};
  for (const auto& row : rows->rows)
    result.repeatables.push_back(read_row(row));
  rows = conn_.query("SELECT DISTINCT version, CASE WHEN version = 0 THEN "
                     "substr(name, 3) ELSE name END, direction FROM "
                       + steps_ + " WHERE pack = $1 ORDER BY 1, 2",
                     {set});
  if (!rows)
    return std::unexpected{std::move(rows.error())};
  for (const auto& row : rows->rows)
    result.interrupted.push_back(
      {int32_of(row[0]), std::string{text_of(row[1])},
       row[2] == "up" ? migration_direction::up : migration_direction::down});
  return result;
}

store_result<std::vector<std::string>> history_tables::missing() {
  std::vector<std::string> result;
  auto there = has_relation(conn_, versions_);
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (*there)
    if (auto good = check_shape(); !good)
      return std::unexpected{std::move(good.error())};
  // The table that came last: where it is, everything is. Roles that may not
  // create anything can then still ask for what is applied already.
  there = has_relation(conn_, steps_);
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (*there)
    return result;
  auto schema = conn_.query("SELECT 1 FROM pg_catalog.pg_namespace WHERE "
                            "nspname = $1",
                            {schema_});
  if (!schema)
    return std::unexpected{std::move(schema.error())};
  if (schema->rows.empty())
    result.push_back("CREATE SCHEMA " + quote_identifier(schema_));
  result.push_back(
    "CREATE TABLE IF NOT EXISTS " + versions_
    + " (pack text NOT NULL, version int NOT NULL, name text NOT NULL, "
      "description text NOT NULL, checksum text NOT NULL, applied_at "
      "timestamptz NOT NULL DEFAULT now(), execution_time_ms bigint NOT NULL, "
      "applied_by text NOT NULL DEFAULT session_user, PRIMARY KEY (pack, "
      "version))");
  result.push_back("ALTER TABLE " + versions_
                   + " ADD COLUMN IF NOT EXISTS author text NOT NULL DEFAULT "
                     "'', ADD COLUMN IF NOT EXISTS baseline boolean NOT NULL "
                     "DEFAULT false");
  result.push_back("CREATE INDEX IF NOT EXISTS "
                   "idx_schema_migrations_applied_at ON "
                   + versions_ + " (applied_at DESC)");
  result.push_back(
    "CREATE TABLE " + repeatables_
    + " (pack text NOT NULL, name text NOT NULL, description text NOT NULL, "
      "author text NOT NULL, checksum text NOT NULL, applied_at timestamptz "
      "NOT NULL DEFAULT now(), execution_time_ms bigint NOT NULL, applied_by "
      "text NOT NULL DEFAULT session_user, PRIMARY KEY (pack, name))");
  result.push_back(
    "CREATE TABLE " + steps_
    + " (pack text NOT NULL, version int NOT NULL, name text NOT NULL, step "
      "int NOT NULL, direction text NOT NULL CHECK (direction IN ('up', "
      "'down')), checksum text NOT NULL, begun timestamptz NOT NULL DEFAULT "
      "clock_timestamp(), done timestamptz, PRIMARY KEY (pack, version, name, "
      "step))");
  return result;
}

store_result<void> history_tables::prepare() {
  auto statements = missing();
  if (!statements)
    return std::unexpected{std::move(statements.error())};
  if (statements->empty())
    return {};
  std::string script;
  for (const auto& x : *statements)
    script += x + ';';
  return conn_.run(script);
}

store_result<void>
history_tables::note_applied(const std::string& set, const migration& file,
                             std::chrono::milliseconds took, bool baseline) {
  if (file.repeatable())
    return nothing_of(conn_.query(
      "INSERT INTO " + repeatables_
        + " (pack, name, description, author, checksum, execution_time_ms) "
          "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (pack, name) DO UPDATE "
          "SET description = excluded.description, author = excluded.author, "
          "checksum = excluded.checksum, applied_at = excluded.applied_at, "
          "execution_time_ms = excluded.execution_time_ms, applied_by = "
          "excluded.applied_by",
      {set, file.name, file.description, file.author, file.checksum,
       sql(took.count())}));
  return nothing_of(conn_.query(
    "INSERT INTO " + versions_
      + " (pack, version, name, description, checksum, execution_time_ms, "
        "author, baseline) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    {set, sql(file.version), file.name, file.description, file.checksum,
     sql(took.count()), file.author, baseline ? "true" : "false"}));
}

store_result<void> history_tables::note_undone(const std::string& set,
                                               const migration& file) {
  return nothing_of(conn_.query("DELETE FROM " + versions_
                                  + " WHERE pack = $1 AND version = $2",
                                {set, sql(file.version)}));
}

store_result<std::vector<migration_step>>
history_tables::steps(const std::string& set, const migration& file,
                      migration_direction direction) {
  auto rows = conn_.query(
    "SELECT step, checksum, done IS NOT NULL FROM " + steps_
      + " WHERE pack = $1 AND version = $2 AND name = $3 "
        "AND direction = $4 ORDER BY step",
    {set, sql(file.version), name_in_steps(file), to_string(direction)});
  if (!rows)
    return std::unexpected{std::move(rows.error())};
  std::vector<migration_step> result;
  for (const auto& row : rows->rows)
    result.push_back(
      {int32_of(row[0]), std::string{text_of(row[1])}, bool_of(row[2])});
  return result;
}

store_result<void> history_tables::note_begun(const std::string& set,
                                              const migration& file,
                                              migration_direction direction,
                                              const migration_step& x) {
  return nothing_of(conn_.query(
    "INSERT INTO " + steps_
      + " (pack, version, name, step, direction, checksum) VALUES ($1, $2, $3, "
        "$4, $5, $6) ON CONFLICT (pack, version, name, step) DO UPDATE SET "
        "checksum = excluded.checksum, begun = excluded.begun",
    {set, sql(file.version), name_in_steps(file), sql(x.step),
     to_string(direction), x.checksum}));
}

store_result<void> history_tables::note_done(const std::string& set,
                                             const migration& file,
                                             int32_t step) {
  return nothing_of(conn_.query(
    "UPDATE " + steps_
      + " SET done = clock_timestamp() WHERE pack = $1 AND version = $2 AND "
        "name = $3 AND step = $4",
    {set, sql(file.version), name_in_steps(file), sql(step)}));
}

store_result<void> history_tables::forget_steps(const std::string& set,
                                                const migration& file) {
  return nothing_of(conn_.query(
    "DELETE FROM " + steps_ + " WHERE pack = $1 AND version = $2 AND name = $3",
    {set, sql(file.version), name_in_steps(file)}));
}

} // namespace millrace
