#include "actors/coordinator/partition_restore.hpp"

#include "actors/coordinator/jitter.hpp"
#include "actors/coordinator/partition_catalog.hpp"
#include "actors/store/copy_stream.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <format>
#include <thread>
#include <utility>

namespace millrace {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_name_bytes = 63;
constexpr std::string_view lock_timeout_state = "55P03";

/// A parent that somebody holds is asked for so often before the rows are
/// given up, which took long to copy; the pauses are shorter at times.
constexpr int max_attempts = 30;
constexpr auto attempt_pause = 1s;

/// As when the archive was written; types have their schemas.
constexpr auto settings
  = "SET LOCAL search_path = pg_catalog; SET LOCAL IntervalStyle = 'postgres'; "
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL "
    "lock_timeout = ";

constexpr auto columns_query
  = "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute "
    "a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = "
    "c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 "
    "AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum";

std::unexpected<store_error> refuse(std::string why) {
  return std::unexpected{store_error{store_errc::refused, {}, std::move(why)}};
}

std::string name_of(const restore_request& x) {
  return quote_identifier(x.said.schema, x.table);
}

std::string column_list(const archive_manifest& x) {
  std::string result;
  for (const auto& column : x.columns)
    result += (result.empty() ? "" : ", ") + quote_identifier(column.name);
  return result;
}

/// Of an archive alone. A type is one that `check_types` has let pass.
std::string create_statement(const restore_request& x) {
  std::string columns;
  for (const auto& column : x.said.columns)
    columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name)
               + ' ' + column.type;
  return "CREATE TABLE " + name_of(x) + " (" + columns + ')';
}

bool overlaps(const known_partition& p, const partition_period& x) {
  return !p.is_default && (!p.from || *p.from < x.to)
         && (!p.to || *p.to > x.from);
}

} // namespace

std::vector<std::string> check_archive(const std::filesystem::path& manifest,
                                       const archive_manifest& said,
                                       const std::atomic<bool>& stop) {
  auto file = manifest.parent_path() / said.file;
  auto there = read_archive(file, [&stop] { return !stop; });
  if (!there)
    return {std::move(there.error())};
  std::vector<std::string> result;
  auto differ = [&](const char* what, const auto& is, const auto& should) {
    if (is != should)
      result.push_back(std::format("{}: found {} {}, and the manifest says {}",
                                   file.string(), what, is, should));
  };
  differ("rows", there->rows, said.content.rows);
  differ("bytes of text", there->text_bytes, said.content.text_bytes);
  differ("bytes", there->file_bytes, said.content.file_bytes);
  differ("SHA-256", there->sha256, said.content.sha256);
  return result;
}

std::vector<std::string>
compare_columns(const std::vector<archived_column>& archive,
                const std::vector<archived_column>& table,
                const std::string& name) {
  std::vector<std::string> result;
  for (const auto& x : archive) {
    auto i = std::ranges::find(table, x.name, &archived_column::name);
    if (i == table.end())
      result.push_back(
        std::format("column {} of the archive is not in {}", x.name, name));
    else if (i->type != x.type)
      result.push_back(
        std::format("column {} is of type {} in the archive, and of type {} in "
                    "{}",
                    x.name, x.type, i->type, name));
  }
  for (const auto& x : table)
    if (!std::ranges::contains(archive, x.name, &archived_column::name))
      result.push_back(
        std::format("column {} of {} is not in the archive", x.name, name));
  return result;
}

partition_restore::partition_restore(connection& conn,
                                     const std::atomic<bool>& stop,
                                     std::chrono::milliseconds lock_timeout)
  : conn_{conn},
    stop_{stop},
    lock_timeout_{lock_timeout} {
}

// -- before -------------------------------------------------------------------

store_result<std::vector<std::string>>
partition_restore::check(const restore_request& x) {
  auto problems = check_archive(x.manifest, x.said, stop_);
  auto asked = conn_.in_transaction([&]() -> store_result<void> {
    auto done = partition_catalog{conn_}.prepare();
    if (done)
      done = conn_.run(settings + std::to_string(lock_timeout_.count()));
    if (done)
      done = check_names(x, problems);
    if (done)
      done = x.parent ? check_parent(x, problems) : check_types(x, problems);
    return done;
  });
  if (!asked)
    return std::unexpected{std::move(asked.error())};
  return problems;
}

store_result<void> partition_restore::check_names(const restore_request& x,
                                                  sentences& to) {
  if (x.table.empty() || x.table.size() > max_name_bytes) {
    to.push_back("the table's name is to have from 1 to 63 bytes");
    return {};
  }
  auto found = conn_.query(
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS "
    "(SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND c.relname = $2)",
    {x.said.schema, x.table});
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (!bool_of(found->rows.at(0)[0]))
    to.push_back("there is no schema " + x.said.schema);
  if (bool_of(found->rows.at(0)[1]))
    to.push_back(std::format("{}.{} is there already; choose another name with "
                             "--as",
                             x.said.schema, x.table));
  return {};
}

store_result<void> partition_restore::check_types(const restore_request& x,
                                                  sentences& to) {
  for (const auto& column : x.said.columns) {
    // The whole text is read as the name of a type, so it is one and nothing
    // else; some texts that are none are an error.
    auto kept = conn_.run("SAVEPOINT millrace_type");
    if (!kept)
      return kept;
    auto known = conn_.query("SELECT to_regtype($1) IS NOT NULL",
                             {column.type});
    if (!known && !conn_.is_open())
      return std::unexpected{std::move(known.error())};
    if (!known || !bool_of(known->rows.at(0)[0]))
      to.push_back(std::format("column {} is of type {}, which is not known "
                               "here",
                               column.name, column.type));
    if (auto back = conn_.run("ROLLBACK TO SAVEPOINT millrace_type"); !back)
      return back;
  }
  return {};
}

store_result<void> partition_restore::check_parent(const restore_request& x,
                                                   sentences& to) {
  auto name = to_string(*x.parent);
  auto table = partition_catalog{conn_}.read(*x.parent);
  if (!table) {
    if (table.error().code != store_errc::refused)
      return std::unexpected{std::move(table.error())};
    to.push_back(std::move(table.error().message));
    return {};
  }
  if (table->is_hypertable()) {
    to.push_back(name
                 + " is a hypertable, which takes no partitions; leave "
                   "--attach out and insert the rows");
    return {};
  }
  auto found = conn_.query(columns_query, {x.parent->schema, x.parent->table});
  if (!found)
    return std::unexpected{std::move(found.error())};
  std::vector<archived_column> columns;
  for (const auto& row : found->rows)
    columns.push_back(
      {std::string{text_of(row[0])}, std::string{text_of(row[1])}});
  std::ranges::move(compare_columns(x.said.columns, columns, name),
                    std::back_inserter(to));
  if (!x.said.from || !x.said.to) {
    to.push_back("the archive has no bounds on both sides, so it cannot be "
                 "attached");
    return {};
  }
  for (const auto& p : table->partitions)
    if (overlaps(p, {*x.said.from, *x.said.to}))
      to.push_back(
        std::format("partition {} of {} has a part of its time", p.name, name));
  return {};
}

// -- the table ----------------------------------------------------------------

store_result<int64_t> partition_restore::restore(const restore_request& x,
                                                 const admin_note& note) {
  return conn_.in_transaction([&]() -> store_result<int64_t> {
    auto done = partition_catalog{conn_}.prepare();
    if (done)
      done = conn_.run(settings + std::to_string(lock_timeout_.count()));
    std::vector<std::string> make{create_statement(x)};
    std::vector<std::string> attaching;
    if (done && x.parent) {
      auto table = partition_catalog{conn_}.read(*x.parent);
      if (!table)
        return std::unexpected{std::move(table.error())};
      make = make_statements(*x.parent, *table,
                             {x.table, {*x.said.from, *x.said.to}});
      // The table and its check; from there on the parent is locked.
      attaching.assign(make.begin() + 2, make.end());
      make.resize(2);
    }
    for (const auto& statement : make)
      if (done)
        done = conn_.run(statement);
    if (!done)
      return std::unexpected{std::move(done.error())};
    auto rows = fill(x);
    if (!rows)
      return rows;
    if (x.parent) {
      done = attach(attaching);
      if (done)
        done = note_hold(x, note);
    }
    if (done)
      done = record_action(conn_, note, x.said.schema + '.' + x.table);
    if (!done)
      return std::unexpected{std::move(done.error())};
    return rows;
  });
}

store_result<int64_t> partition_restore::fill(const restore_request& x) {
  auto file = x.manifest.parent_path() / x.said.file;
  auto from = archive_reader::open(file);
  if (!from)
    return refuse(std::move(from.error()));
  auto rows = copy_in(
    conn_, "COPY " + name_of(x) + " (" + column_list(x.said) + ") FROM STDIN",
    [&from] { return from->next(); },
    [this]() -> std::optional<std::string> {
      return stop_ ? std::optional<std::string>{"stopped; nothing was made"}
                   : std::nullopt;
    });
  if (!rows)
    return rows;
  if (from->content() != x.said.content)
    return refuse(file.string() + " has changed while it was read");
  auto there = conn_.query("SELECT count(*) FROM " + name_of(x));
  if (!there)
    return std::unexpected{std::move(there.error())};
  if (auto n = int_of(there->rows.at(0)[0]);
      n != x.said.content.rows || *rows != n)
    return refuse(std::format("{} rows were read and {} are in the table, "
                              "where the manifest says {}",
                              *rows, n, x.said.content.rows));
  return rows;
}

store_result<void>
partition_restore::attach(const std::vector<std::string>& statements) {
  for (auto attempt = 1;; ++attempt) {
    auto done = conn_.run("SAVEPOINT millrace_attach");
    for (const auto& x : statements)
      if (done)
        done = conn_.run(x);
    if (done || done.error().sqlstate != lock_timeout_state
        || attempt == max_attempts || stop_)
      return done;
    if (auto back = conn_.run("ROLLBACK TO SAVEPOINT millrace_attach"); !back)
      return back;
    std::this_thread::sleep_for(jittered(attempt_pause));
  }
}

store_result<void> partition_restore::note_hold(const restore_request& x,
                                                const admin_note& note) {
  auto done = conn_.query(
    "INSERT INTO millrace.partition_hold (schema_name, partition_name, "
    "partition_oid, held_by) VALUES ($1, $2, $3::regclass::oid, $4) ON "
    "CONFLICT (schema_name, partition_name) DO UPDATE SET partition_oid = "
    "excluded.partition_oid, since = excluded.since, held_by = "
    "excluded.held_by",
    {x.said.schema, x.table, name_of(x), note.os_user + " on " + note.host});
  if (!done)
    return std::unexpected{std::move(done.error())};
  return {};
}

store_result<bool> release_partition(connection& conn, const std::string& name,
                                     const admin_note& note) {
  return conn.in_transaction([&]() -> store_result<bool> {
    auto done = conn.query("DELETE FROM millrace.partition_hold WHERE "
                           "schema_name || '.' || partition_name = $1",
                           {name});
    if (!done)
      return std::unexpected{std::move(done.error())};
    if (done->affected == 0)
      return false;
    if (auto noted = record_action(conn, note, name); !noted)
      return std::unexpected{std::move(noted.error())};
    return true;
  });
}

} // namespace millrace
