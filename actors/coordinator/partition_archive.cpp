#include "actors/coordinator/partition_archive.hpp"

#include "actors/coordinator/partition_catalog.hpp"
#include "actors/store/copy_stream.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <format>
#include <system_error>
#include <utility>

namespace millrace {

namespace {

namespace fs = std::filesystem;

/// Archives of partitions of one name.
constexpr int max_archives = 1'000;

std::unexpected<store_error> refuse(std::string why) {
  return std::unexpected{store_error{store_errc::refused, {}, std::move(why)}};
}

template <class T>
store_result<T> of_file(file_result<T> x) {
  if (!x)
    return refuse(std::move(x.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(*x);
}

/// Text that reads back as the same values anywhere, in an order that depends
/// on the table alone; and nothing that ends the transaction while the file is
/// looked at.
constexpr auto settings
  = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL "
    "synchronize_seqscans = off; SET LOCAL row_security = off; SET LOCAL "
    "search_path = pg_catalog; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL "
    "extra_float_digits = 1; SET LOCAL bytea_output = 'hex'";

constexpr auto description_query
  = "SELECT current_database(), r.bounds, to_char(clock_timestamp() AT TIME "
    "ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM "
    "millrace.partition_removal r WHERE r.schema_name = $1 AND "
    "r.partition_name = $2";

constexpr auto columns_query
  = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE "
    "attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped AND "
    "attgenerated = '' ORDER BY attnum";

/// What somebody who was broken off has left.
void remove_leftovers(const fs::path& archive) {
  std::error_code ignored;
  auto begin = archive.filename().string() + '.';
  for (const auto& x : fs::directory_iterator{archive.parent_path(), ignored}) {
    auto name = x.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(".tmp"))
      fs::remove(x.path(), ignored);
  }
}

} // namespace

std::string archive_statement(const old_partition& what,
                              const std::vector<std::string>& columns) {
  std::string names;
  for (const auto& x : columns)
    names += (names.empty() ? "" : ", ") + quote_identifier(x);
  // Of a query, as the partition may be partitioned itself.
  return "COPY (SELECT " + names + " FROM "
         + quote_identifier(what.schema, what.name) + ") TO STDOUT";
}

partition_archive::partition_archive(connection& conn, const held_lease& lease,
                                     const std::atomic<bool>& stop,
                                     std::string by)
  : conn_{conn},
    lease_{lease},
    stop_{stop},
    by_{std::move(by)} {
}

bool partition_archive::goes_on() const {
  return !stop_ && lease_.holds();
}

store_result<fs::path>
partition_archive::put_away(const partition_policy& policy,
                            const begun_removal& what) {
  return conn_.in_transaction([&] { return within(policy, what); });
}

store_result<fs::path> partition_archive::within(const partition_policy& policy,
                                                 const begun_removal& what) {
  auto done = take(what);
  if (!done)
    return std::unexpected{std::move(done.error())};
  auto x = describe(policy, what);
  if (!x)
    return std::unexpected{std::move(x.error())};
  auto manifest = place_for(policy, *x);
  if (!manifest)
    return manifest;
  auto file = archive_path(*manifest);
  x->file = file.filename().string();
  remove_leftovers(file);
  // Of this term alone: a holder before this one may not know yet.
  auto written = file;
  written += std::format(".{}.tmp", lease_.term().epoch);
  auto content = copy(what.what, *x, written);
  if (!content)
    return std::unexpected{std::move(content.error())};
  x->content = std::move(*content);
  done = publish(*x, written, *manifest);
  if (done)
    done = verify(*x, *manifest);
  if (done)
    done = conn_.run(drop_statement(what.what));
  if (done)
    done = conn_.run(forget_statement(what.what));
  if (!done)
    return std::unexpected{std::move(done.error())};
  return manifest;
}

store_result<void> partition_archive::take(const begun_removal& what) {
  if (auto held = check_lease(conn_, lease_.term()); !held)
    return held;
  auto name = quote_identifier(what.what.schema, what.what.name);
  auto locked = conn_.run(
    std::string{settings} + "; LOCK TABLE " + name
    + " IN ACCESS EXCLUSIVE MODE; SAVEPOINT millrace_try; "
    // What cannot be dropped in the end need not be copied before.
    + drop_statement(what.what) + "; ROLLBACK TO SAVEPOINT millrace_try");
  if (!locked)
    return locked;
  auto same = conn_.query("SELECT $1::regclass::oid::bigint", {name});
  if (!same)
    return std::unexpected{std::move(same.error())};
  if (int_of(same->rows.at(0)[0]) != what.oid)
    return refuse(what.what.name + " is another table by now");
  return {};
}

store_result<archive_manifest>
partition_archive::describe(const partition_policy& policy,
                            const begun_removal& what) {
  auto note = conn_.query(description_query,
                          {what.what.schema, what.what.name});
  if (!note)
    return std::unexpected{std::move(note.error())};
  if (note->rows.empty())
    return refuse("nothing is noted of " + what.what.name + " any more");
  auto columns = conn_.query(columns_query, {sql(what.oid)});
  if (!columns)
    return std::unexpected{std::move(columns.error())};
  archive_manifest x;
  x.database = text_of(note->rows[0][0]);
  x.schema = policy.schema;
  x.parent = policy.table;
  x.child = what.what.name;
  x.relation = what.oid;
  x.bounds = text_of(note->rows[0][1]);
  x.made = text_of(note->rows[0][2]);
  x.by = by_;
  for (const auto& row : columns->rows)
    x.columns.push_back(
      {std::string{text_of(row[0])}, std::string{text_of(row[1])}});
  // Sessions are in UTC, so that a wall's time means the same.
  auto type = policy.rules.key == partition_key::milliseconds
                ? partition_key_type::milliseconds
                : partition_key_type::timestamptz;
  auto bounds = partition_catalog{conn_}.bounds(type, x.bounds);
  if (!bounds)
    return std::unexpected{std::move(bounds.error())};
  x.from = bounds->from;
  x.to = bounds->to;
  return x;
}

store_result<fs::path>
partition_archive::place_for(const partition_policy& policy,
                             const archive_manifest& x) const {
  // The folder itself is the user's to make: where a disc is missing, nothing
  // shall be written in its place.
  std::error_code error;
  if (!fs::is_directory(policy.rules.archive, error))
    return refuse("the archive folder " + policy.rules.archive
                  + " is not there");
  for (auto number = 1; number <= max_archives; ++number) {
    auto place = manifest_path(policy.rules.archive, x.schema, x.parent,
                               x.child, number);
    if (auto made = make_folders(place.parent_path()); !made)
      return refuse(std::move(made.error()));
    if (!fs::exists(place, error) && !error)
      return place;
    if (error)
      return refuse(place.string() + ": " + error.message());
    auto there = read_manifest(place);
    if (there && there->database == x.database && there->relation == x.relation
        && there->bounds == x.bounds)
      return place;
  }
  return refuse(std::format("{} has {} archives", x.child, max_archives));
}

store_result<archive_content> partition_archive::copy(const old_partition& what,
                                                      const archive_manifest& x,
                                                      const fs::path& to) {
  auto file = archive_writer::create(to);
  if (!file)
    return refuse(std::move(file.error()));
  std::vector<std::string> columns;
  for (const auto& column : x.columns)
    columns.push_back(column.name);
  auto rows = copy_out(
    conn_, archive_statement(what, columns),
    [&](std::string_view piece) { return file->write(piece); },
    [&]() -> std::optional<std::string> {
      if (goes_on())
        return std::nullopt;
      return "stopped while " + to.string() + " was written";
    });
  auto content = rows ? of_file(file->finish())
                      : store_result<archive_content>{
                          std::unexpected{std::move(rows.error())}};
  if (content && content->rows != *rows)
    content = refuse(std::format("{} has {} rows where PostgreSQL counted {}",
                                 to.string(), content->rows, *rows));
  if (!content) {
    // A full disc gets its room back.
    std::error_code ignored;
    fs::remove(to, ignored);
  }
  return content;
}

store_result<void> partition_archive::publish(const archive_manifest& x,
                                              const fs::path& written,
                                              const fs::path& manifest) {
  // Without the lease somebody else may be at these files.
  auto done = check_lease(conn_, lease_.term());
  if (done)
    done = of_file(publish_file(written, archive_path(manifest)));
  if (done)
    done = check_lease(conn_, lease_.term());
  if (done)
    done = of_file(write_file(manifest, to_json(x)));
  return done;
}

store_result<void> partition_archive::verify(const archive_manifest& x,
                                             const fs::path& manifest) const {
  auto said = read_manifest(manifest);
  if (!said)
    return refuse(said.error().front());
  auto there = read_archive(archive_path(manifest),
                            [this] { return goes_on(); });
  if (!there)
    return refuse(std::move(there.error()));
  if (*said != x || *there != x.content)
    return refuse(manifest.string()
                  + " does not say what was written; the disc, or somebody "
                    "else, has changed it");
  return {};
}

} // namespace millrace
