// `millrace db backup` and `millrace db backups`.

#include "nodes/cli/db_backup.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/store/backup_facts.hpp"
#include "actors/store/program_environment.hpp"
#include "config/values.hpp"
#include "nodes/cli/backup_folder.hpp"
#include "nodes/cli/program_work.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/cli/version.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <future>
#include <numeric>
#include <utility>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;

/// A database whose snapshot is held.
struct held_database {
  std::string name;
  connection conn;
  std::string snapshot;
  backup_database kept = {};
};

session_config snapshot_session(const postgresql_config& database) {
  auto result = task_session(database);
  result.application_name = "millrace backup";
  // The snapshot is there while its transaction is, which waits for pg_dump.
  result.idle_in_transaction_timeout = 0ms;
  return result;
}

admin_result<held_database> hold(const postgresql_config& database) {
  auto conn = connection::open(snapshot_session(database));
  if (!conn)
    return admin_fail(conn.error());
  auto begun = conn->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun)
    return admin_fail(begun.error());
  auto id = conn->query("SELECT pg_export_snapshot()");
  if (!id)
    return admin_fail(id.error());
  return held_database{database.name, std::move(*conn),
                       id->rows[0][0].value_or("")};
}

class backup_run {
public:
  backup_run(const backup_arguments& what, const admin_sessions& sessions,
             console& to, const std::stop_token& stop)
    : what_{what},
      all_{*sessions.open.front().all},
      to_{to},
      stop_{stop} {
    for (const auto& x : sessions.open)
      names_.push_back(x.database);
  }

  admin_result<backup_manifest> run() {
    auto began = std::chrono::system_clock::now();
    auto name = what_.name.empty() ? backup_name_at(began) : what_.name;
    auto target = unfinished_backup::begin(
      what_.folder, name, [this](const std::string& gone) {
        to_.note("removed " + gone + ", which a backup that died has left");
      });
    if (!target)
      return admin_fail(exit_code::failed, target.error());
    what_.on_step("hold");
    if (auto done = hold_all(); !done)
      return std::unexpected{done.error()};
    for (auto& x : held_) {
      what_.on_step("copy " + x.name);
      if (auto done = copy(x, target->path()); !done)
        return std::unexpected{done.error()};
    }
    auto who = note_of(what_, "db backup");
    backup_manifest result;
    result.name = name;
    result.millrace = version();
    result.began = rfc3339(began);
    result.ended = rfc3339(std::chrono::system_clock::now());
    result.os_user = who.os_user;
    result.host = who.host;
    for (auto& x : held_)
      result.databases.push_back(std::move(x.kept));
    what_.on_step("finish");
    if (auto done = target->finish(result); !done)
      return admin_fail(exit_code::failed, done.error());
    return result;
  }

private:
  /// The control database first: a dead letter of it that was replayed into
  /// another database is in one of both backups at least, and `replayed` keeps
  /// it from being written twice.
  admin_result<void> hold_all() {
    for (const auto& name : names_) {
      auto held = hold(*find_database(all_, name));
      if (!held)
        return std::unexpected{held.error()};
      held_.push_back(std::move(*held));
    }
    for (auto& x : held_) {
      auto changing = change_under_way(x.conn);
      if (!changing)
        return admin_fail(changing.error());
      if (*changing)
        return admin_fail(exit_code::failed, **changing);
    }
    for (auto& x : held_)
      if (auto same = check_map(x); !same)
        return same;
    return {};
  }

  /// Snapshots of several databases are not of one moment. Where no map was
  /// changed between them, nobody can tell.
  admin_result<void> check_map(held_database& x) {
    auto kept = read_maps(x.conn);
    if (!kept)
      return admin_fail(kept.error());
    auto conn
      = connection::open(snapshot_session(*find_database(all_, x.name)));
    if (!conn)
      return admin_fail(conn.error());
    auto now = read_maps(*conn);
    if (!now)
      return admin_fail(now.error());
    for (const auto& p : *kept)
      if (!std::ranges::contains(*now, p))
        return admin_fail(exit_code::failed,
                          "the map of pipeline " + p.pipeline
                            + " was changed meanwhile: run the command again");
    return {};
  }

  admin_result<void> copy(held_database& x, const std::filesystem::path& to) {
    auto program = find_server_program("pg_dump", what_.pg_bin,
                                       x.conn.server_version() / 10'000);
    if (!program)
      return admin_fail(exit_code::failed, program.error());
    auto reader = find_server_program("pg_restore", what_.pg_bin,
                                      program->major);
    if (!reader)
      return admin_fail(exit_code::failed, reader.error());
    auto facts = read_facts(x.conn);
    if (!facts)
      return admin_fail(facts.error());
    x.kept.name = x.name;
    x.kept.pg_dump = program->version;
    x.kept.facts = std::move(*facts);
    auto& tables = x.kept.facts.tables;
    program_work work;
    work.title = "database " + x.name;
    work.command = {program->path,
                    "--format=directory",
                    "--jobs=" + std::to_string(what_.jobs),
                    "--snapshot=" + x.snapshot,
                    "--file=" + (to / x.name).string(),
                    "--no-password",
                    "--verbose"};
    work.environment = program_environment(x.conn);
    work.table_line = "dumping contents of table";
    work.tables = tables.size();
    // The session that holds the snapshot has nothing else to do meanwhile.
    auto counted = std::async(std::launch::async,
                              [&] { return count_rows(x.conn, tables); });
    auto dumped = run_work(work, to_, stop_);
    if (!dumped)
      end_count(x);
    auto rows = counted.get();
    if (!dumped)
      return dumped;
    if (!rows)
      return admin_fail(rows.error());
    x.conn.close();
    if (auto listed = list(x, to / x.name, *reader); !listed)
      return listed;
    auto files = sum_files(to / x.name, to, stop_);
    if (!files)
      return admin_fail(exit_code::failed, files.error());
    x.kept.files = std::move(*files);
    return {};
  }

  /// A dump whose contents cannot be read is none.
  admin_result<void> list(const held_database& x,
                          const std::filesystem::path& dump,
                          const server_program& reader) {
    program_work work;
    work.title = "database " + x.name + ": its dump cannot be read";
    work.command = {reader.path, "--list", dump.string()};
    work.table_line = " TABLE DATA ";
    work.tables = x.kept.facts.tables.size();
    return run_work(work, to_, stop_);
  }

  /// Nobody waits for numbers of a dump that failed.
  void end_count(const held_database& x) const {
    auto conn
      = connection::open(snapshot_session(*find_database(all_, x.name)));
    if (conn)
      static_cast<void>(conn->query("SELECT pg_terminate_backend($1::int)",
                                    {std::to_string(x.conn.backend_pid())}));
  }

  const backup_arguments& what_;
  const config& all_;
  console& to_;
  const std::stop_token& stop_;
  std::vector<std::string> names_;
  std::vector<held_database> held_;
};

int64_t rows_of(const database_facts& x) {
  return std::transform_reduce(x.tables.begin(), x.tables.end(), int64_t{0},
                               std::plus<>{},
                               [](const kept_table& t) { return t.rows; });
}

int64_t rows_of(const backup_manifest& x) {
  return std::transform_reduce(
    x.databases.begin(), x.databases.end(), int64_t{0}, std::plus<>{},
    [](const backup_database& d) { return rows_of(d.facts); });
}

void write(json_writer& out, const backup_manifest& x,
           const std::string& folder) {
  out.begin_object();
  out.key("name").string(x.name);
  out.key("path").string((std::filesystem::path{folder} / x.name).string());
  out.key("began").string(x.began);
  out.key("ended").string(x.ended);
  out.key("os_user").string(x.os_user);
  out.key("host").string(x.host);
  out.key("millrace").string(x.millrace);
  out.key("rows").integer(rows_of(x));
  out.key("bytes").integer(bytes_of(x));
  out.key("databases").begin_array();
  for (const auto& d : x.databases) {
    out.begin_object();
    out.key("name").string(d.name);
    out.key("database").string(d.facts.database);
    out.key("at").string(d.facts.at);
    out.key("tables").integer(d.facts.tables.size());
    out.key("rows").integer(rows_of(d.facts));
    out.key("lanes").integer(d.facts.lanes.size());
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

std::string listing_text(const std::vector<listed_backup>& all) {
  std::vector<std::vector<std::string>> rows{
    {"NAME", "TAKEN", "DATABASES", "ROWS", "BYTES", "BY"}};
  for (const auto& x : all) {
    if (!x.manifest)
      continue;
    const auto& m = *x.manifest;
    rows.push_back({x.name, m.began, std::to_string(m.databases.size()),
                    std::to_string(rows_of(m)), std::to_string(bytes_of(m)),
                    m.os_user + '@' + m.host});
  }
  return table_text(rows);
}

admin_result<void> check(const backup_arguments& what) {
  if (what.jobs < 1 || what.jobs > 64)
    return admin_fail(exit_code::usage, "--jobs: expected 1 to 64");
  if (!what.name.empty())
    if (auto problem = backup_name_problem(what.name))
      return admin_fail(exit_code::usage, *problem);
  return {};
}

} // namespace

exit_code run_db_backup(const backup_arguments& what, console& to) {
  if (auto fits = check(what); !fits)
    return tell(fits.error(), to);
  signal_stop signals;
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto stop = signals.token();
  auto done = backup_run{what, *sessions, to, stop}.run();
  if (!done)
    return tell(done.error(), to);
  if (to.json()) {
    json_writer out;
    write(out, *done, what.folder);
    to.out(std::move(out).str() + '\n');
  } else {
    to.out(std::format(
      "backup {} of {} is in {}: {} rows, {} bytes\n", done->name, done->began,
      (std::filesystem::path{what.folder} / done->name).string(),
      rows_of(*done), bytes_of(*done)));
  }
  return exit_code::ok;
}

exit_code run_db_backups(const backup_arguments& what, console& to) {
  if (!what.delete_older_than.empty())
    return delete_old_backups(what, to);
  if (what.yes)
    return to.fail(exit_code::usage, "--yes goes with --delete-older-than");
  auto all = list_backups(what.folder);
  findings wrong;
  for (const auto& x : all)
    if (!x.manifest)
      wrong.push_back(make_error(x.name + ": " + x.problem));
  if (to.json()) {
    json_writer out;
    out.begin_array();
    for (const auto& x : all) {
      if (x.manifest) {
        write(out, *x.manifest, what.folder);
        continue;
      }
      out.begin_object();
      out.key("name").string(x.name);
      out.key("problem").string(x.problem);
      out.end_object();
    }
    out.end_array();
    to.out(std::move(out).str() + '\n');
  } else {
    to.out(listing_text(all));
    to.tell(wrong);
  }
  return wrong.empty() ? exit_code::ok : exit_code::failed;
}

} // namespace millrace::cli
