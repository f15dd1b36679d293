#include "actors/coordinator/migrator.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <thread>

namespace millrace {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Another migrator may be at a long statement.
constexpr auto migrator_wait = 600s;

/// Attempts at a file whose locks others hold.
constexpr int max_attempts = 10;

std::string table_of(const migration_target& target) {
  return quote_identifier(target.schema, "schema_migrations");
}

std::string file_of(const migration_set& set, const migration& x) {
  auto number = std::to_string(x.version);
  number.insert(0, 3 - std::min<std::size_t>(3, number.size()), '0');
  return set.name + '/' + number + '_' + x.name + ".sql";
}

std::string text_of_error(const store_error& x) {
  return x.sqlstate.empty() ? x.message
                            : x.message + " (SQLSTATE " + x.sqlstate + ')';
}

std::string timeout(const char* name, std::chrono::milliseconds value) {
  return std::string{"SET LOCAL "} + name + " = "
         + std::to_string(value.count()) + ';';
}

std::string edited(const std::string& file) {
  return file
         + " was changed after it had been applied: restore the file as it "
           "was, and put the change into a new file with the next number";
}

std::string unknown(const migration_status& x) {
  return "version " + std::to_string(x.version) + " (" + x.name
         + ") is applied, but there is no such file: this binary or folder is "
           "older than the database; use the newer one";
}

/// Serialises migrators of one schema until the transaction ends.
store_result<void> lock(connection& conn, const std::string& schema) {
  auto ready = conn.run(timeout("lock_timeout", migrator_wait));
  if (!ready)
    return ready;
  auto locked = conn.query(
    "SELECT pg_advisory_xact_lock(hashtext('millrace.migrations'), "
    "hashtext($1))",
    {schema});
  if (!locked)
    return std::unexpected{locked.error()};
  // Who held the lock may have made the schema while we waited. PostgreSQL
  // looks for such news when it locks a relation, not for an advisory lock:
  // without this, `IF NOT EXISTS` would go by what was true before.
  auto news = conn.query("SELECT 1 FROM pg_catalog.pg_namespace LIMIT 1", {});
  if (!news)
    return std::unexpected{news.error()};
  return {};
}

} // namespace

std::string to_string(migration_state x) {
  switch (x) {
    case migration_state::applied:
      return "applied";
    case migration_state::pending:
      return "pending";
    case migration_state::edited:
      return "edited";
    case migration_state::unknown:
      return "unknown";
  }
  return "unknown";
}

migrator::migrator(connection& conn, std::chrono::milliseconds lock_timeout)
  : conn_{conn},
    lock_timeout_{lock_timeout} {
}

std::expected<std::vector<migration_status>, std::string>
migrator::status(const migration_set& set, const migration_target& target) {
  std::map<int32_t, migration_status> all;
  std::map<int32_t, const migration*> files;
  for (const auto& x : set.files) {
    all[x.version]
      = {x.version, x.name, x.description, migration_state::pending, {}, {}, 0};
    files[x.version] = &x;
  }
  auto table = conn_.query("SELECT to_regclass($1) IS NOT NULL",
                           {table_of(target)});
  if (!table)
    return std::unexpected{text_of_error(table.error())};
  sql_result rows;
  if (bool_of(table->rows[0][0])) {
    auto found = conn_.query("SELECT version, name, description, checksum, "
                             "applied_at, execution_time_ms, applied_by FROM "
                               + table_of(target) + " WHERE pack = $1",
                             {set.name});
    if (!found)
      return std::unexpected{text_of_error(found.error())};
    rows = std::move(*found);
  }
  for (const auto& row : rows.rows) {
    auto version = int32_of(row[0]);
    auto file = files.find(version);
    auto& x = all[version];
    x.version = version;
    if (file == files.end()) {
      x.name = text_of(row[1]);
      x.description = text_of(row[2]);
      x.state = migration_state::unknown;
    } else {
      x.state = file->second->checksum == row[3] ? migration_state::applied
                                                 : migration_state::edited;
    }
    x.applied_at = text_of(row[4]);
    x.execution_time_ms = int_of(row[5]);
    x.applied_by = text_of(row[6]);
  }
  std::vector<migration_status> result;
  for (auto& [version, x] : all)
    result.push_back(std::move(x));
  return result;
}

std::expected<migration_report, std::string>
migrator::up(const migration_set& set, const migration_target& target) {
  auto started = clock::now();
  auto before = status(set, target);
  if (!before)
    return std::unexpected{before.error()};
  std::string problems;
  auto problem = [&problems](const std::string& text) {
    problems += (problems.empty() ? "" : "\n") + text;
  };
  for (std::size_t i = 0; i < before->size(); ++i) {
    const auto& x = (*before)[i];
    if (x.state == migration_state::edited)
      problem(edited(file_of(set, set.files.at(i))));
    else if (x.state == migration_state::unknown)
      problem(unknown(x));
  }
  if (!problems.empty())
    return std::unexpected{problems};
  if (auto ready = prepare(target); !ready)
    return std::unexpected{ready.error()};
  migration_report result;
  for (const auto& file : set.files) {
    if ((*before)[static_cast<std::size_t>(file.version - 1)].state
        == migration_state::applied)
      continue;
    auto done = apply(set, file, target);
    if (!done)
      return std::unexpected{done.error()};
    if (*done)
      result.applied.push_back(file.version);
  }
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(
    clock::now() - started);
  return result;
}

std::expected<void, std::string>
migrator::prepare(const migration_target& target) {
  auto done = conn_.in_transaction([&]() -> store_result<void> {
    if (auto locked = lock(conn_, target.schema); !locked)
      return locked;
    auto made = conn_.run(
      "CREATE SCHEMA IF NOT EXISTS " + quote_identifier(target.schema)
      + "; CREATE TABLE IF NOT EXISTS " + table_of(target)
      + " (pack text NOT NULL, version int NOT NULL, name text NOT NULL, "
        "description text NOT NULL, checksum text NOT NULL, applied_at "
        "timestamptz NOT NULL DEFAULT now(), execution_time_ms bigint NOT "
        "NULL, applied_by text NOT NULL DEFAULT session_user, PRIMARY KEY "
        "(pack, version))");
    if (!made || !target.tenant)
      return made;
    auto known = conn_.query("INSERT INTO millrace.tenant (name, schema) "
                             "VALUES ($1, $2) ON CONFLICT DO NOTHING",
                             {target.tenant, target.schema});
    if (!known)
      return std::unexpected{known.error()};
    auto schema = conn_.query("SELECT 1 FROM millrace.tenant WHERE name = $1 "
                              "AND schema = $2",
                              {target.tenant, target.schema});
    if (!schema)
      return std::unexpected{schema.error()};
    if (schema->rows.empty())
      return std::unexpected{store_error{
        store_errc::refused,
        {},
        "tenant " + *target.tenant + " or schema " + target.schema
          + " is registered in millrace.tenant with another partner"}};
    return {};
  });
  if (!done)
    return std::unexpected{"schema " + target.schema + ": "
                           + text_of_error(done.error())};
  return {};
}

std::expected<bool, std::string>
migrator::apply(const migration_set& set, const migration& file,
                const migration_target& target) {
  auto name = file_of(set, file);
  auto once = [&]() -> store_result<bool> {
    if (auto locked = lock(conn_, target.schema); !locked)
      return std::unexpected{locked.error()};
    // Another migrator may have been faster.
    auto there = conn_.query("SELECT checksum FROM " + table_of(target)
                               + " WHERE pack = $1 AND version = $2",
                             {set.name, sql(file.version)});
    if (!there)
      return std::unexpected{there.error()};
    if (!there->rows.empty()) {
      if (there->rows[0][0] == file.checksum)
        return false;
      return std::unexpected{
        store_error{store_errc::refused, {}, edited(name)}};
    }
    auto started = clock::now();
    auto ready = conn_.run(timeout("lock_timeout", lock_timeout_)
                           + "SET LOCAL search_path = "
                           + quote_identifier(target.schema) + ", public");
    if (!ready)
      return std::unexpected{ready.error()};
    // The pause (rule 26): no flush of the tenant is between two tables. In
    // the order that all who lock several lanes have.
    if (target.tenant) {
      auto paused = conn_.query("SELECT 1 FROM millrace.lane WHERE tenant = $1 "
                                "ORDER BY pipeline, tenant, shard FOR UPDATE",
                                {*target.tenant});
      if (!paused)
        return std::unexpected{paused.error()};
    }
    auto before = conn_.query("SELECT pg_current_xact_id()");
    if (!before)
      return std::unexpected{before.error()};
    if (auto ran = conn_.run(file.up); !ran)
      return std::unexpected{ran.error()};
    auto after = conn_.query("SELECT pg_current_xact_id()");
    if (!after)
      return std::unexpected{after.error()};
    if (before->rows != after->rows)
      return std::unexpected{
        store_error{store_errc::refused,
                    {},
                    "the file ends its transaction itself; take COMMIT and "
                    "ROLLBACK out, and look at what it left behind"}};
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now()
                                                                    - started);
    auto noted = conn_.query(
      "INSERT INTO " + table_of(target)
        + " (pack, version, name, description, checksum, execution_time_ms) "
          "VALUES ($1, $2, $3, $4, $5, $6)",
      {set.name, sql(file.version), file.name, file.description, file.checksum,
       sql(ms.count())});
    if (!noted)
      return std::unexpected{noted.error()};
    return true;
  };
  std::minstd_rand jitter{std::random_device{}()};
  for (auto attempt = 1;; ++attempt) {
    auto done = conn_.in_transaction(once);
    if (done)
      return *done;
    if (done.error().code != store_errc::retry || attempt == max_attempts)
      return std::unexpected{name + ": " + text_of_error(done.error())};
    // Whoever waits for the same locks shall not come back at the same time.
    auto pause = std::uniform_int_distribution<>{50, 500}(jitter);
    std::this_thread::sleep_for(std::chrono::milliseconds{pause});
  }
}

} // namespace millrace
