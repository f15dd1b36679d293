// `millrace partitions restore` and `release`.

#include "actors/cluster/json_writer.hpp"
#include "actors/coordinator/partition_restore.hpp"
#include "config/values.hpp"
#include "nodes/cli/partitions_command.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <atomic>
#include <format>
#include <stop_token>
#include <utility>

namespace millrace::cli {

namespace {

/// An archive with the database that its table shall be in.
struct planned {
  restore_request request;
  const postgresql_config* database = nullptr;
};

/// What was done of it.
struct restored {
  const planned* what;
  int64_t rows = 0;
};

admin_failure failure_of(std::vector<std::string> sentences) {
  admin_failure result;
  for (auto& x : sentences)
    result.all.push_back(make_error(std::move(x)));
  return result;
}

/// The one that has the schema, of those that the command is about.
const postgresql_config* database_with(const admin_sessions& sessions,
                                       const std::string& schema) {
  for (const auto& session : sessions.open) {
    const auto& all = *session.all;
    const auto* database = find_database(all, session.database);
    for (const auto& tenant : all.tenants)
      if (tenant.schema == schema && &database_of(all, tenant.name) == database)
        return database;
  }
  return nullptr;
}

/// Reads the manifests, and says everything that is wrong with them.
std::expected<std::vector<planned>, std::vector<std::string>>
plan(const archive_restore_arguments& what, const admin_sessions& sessions) {
  std::vector<planned> result;
  std::vector<std::string> problems;
  for (const auto& name : what.manifests) {
    auto said = read_manifest(name);
    if (!said) {
      std::ranges::move(said.error(), std::back_inserter(problems));
      continue;
    }
    const auto* database = database_with(sessions, said->schema);
    planned x{{name, std::move(*said), {}, {}}, database};
    auto& request = x.request;
    request.table = what.as.empty() ? request.said.child : what.as;
    if (what.attach)
      request.parent = partition_policy{
        request.said.schema, request.said.parent, {}, {}, {}};
    if (!x.database)
      problems.push_back(std::format("{}: no tenant of the configuration has "
                                     "the schema {}",
                                     name, request.said.schema));
    result.push_back(std::move(x));
  }
  if (!problems.empty())
    return std::unexpected{std::move(problems)};
  return result;
}

/// Archives on their way to tables.
class restoring {
public:
  restoring(const archive_restore_arguments& what, console& to,
            const std::atomic<bool>& stop)
    : note_{note_of(what, "partitions restore")},
      to_{to},
      stop_{stop} {
  }

  admin_result<void> check(const std::vector<planned>& all) {
    std::vector<std::string> problems;
    for (const auto& x : all) {
      auto wrong = with_session(x, [&x](partition_restore& work) {
        return work.check(x.request);
      });
      if (!wrong)
        return admin_fail(wrong.error());
      for (const auto& text : *wrong)
        problems.push_back(x.request.manifest.string() + ": " + text);
    }
    if (!problems.empty())
      return std::unexpected{failure_of(std::move(problems))};
    return {};
  }

  admin_result<void> run(const std::vector<planned>& all) {
    for (const auto& x : all) {
      auto note = note_;
      if (note.reason.empty())
        note.reason = "from " + x.request.manifest.string();
      auto rows = with_session(x, [&](partition_restore& work) {
        return work.restore(x.request, note);
      });
      if (!rows)
        return admin_fail(rows.error());
      done_.push_back({&x, *rows});
      if (!to_.json())
        to_.out(text_of(done_.back()));
    }
    return {};
  }

  std::string json(const findings& failures) const {
    json_writer out;
    out.begin_object();
    out.key("restored").begin_array();
    for (const auto& x : done_) {
      const auto& request = x.what->request;
      out.begin_object();
      out.key("manifest").string(request.manifest.string());
      out.key("database").string(x.what->database->name);
      out.key("schema").string(request.said.schema);
      out.key("table").string(request.table);
      out.key("rows").integer(x.rows);
      out.key("attached").boolean(request.parent.has_value());
      out.end_object();
    }
    out.end_array();
    out.key("failures").begin_array();
    for (const auto& x : failures)
      out.string(x.text);
    out.end_array().end_object();
    return std::move(out).str() + '\n';
  }

private:
  static std::string text_of(const restored& x) {
    const auto& request = x.what->request;
    auto name = request.said.schema + '.' + request.table;
    auto end = request.parent
                 ? std::format("attached to {}, and held until 'millrace "
                               "partitions release {}'",
                               to_string(*request.parent), name)
                 : std::string{"a table of its own"};
    return printable(std::format("{}: {} rows; {}", name, x.rows, end)) + '\n';
  }

  template <class Work>
  auto with_session(const planned& x, Work work)
    -> decltype(work(std::declval<partition_restore&>())) {
    auto settings = task_session(*x.database);
    settings.application_name = "millrace admin";
    auto conn = connection::open(settings);
    if (!conn)
      return std::unexpected{std::move(conn.error())};
    partition_restore restore{*conn, stop_,
                              partition_lock_timeout(*x.database)};
    return work(restore);
  }

  admin_note note_;
  console& to_;
  const std::atomic<bool>& stop_;
  std::vector<restored> done_;
};

} // namespace

exit_code run_partitions_restore(const archive_restore_arguments& what,
                                 console& to) {
  if (what.manifests.empty())
    return to.fail(exit_code::usage, "expected MANIFEST, one or several");
  if (!what.as.empty() && what.manifests.size() > 1)
    return to.fail(exit_code::usage, "--as names one table: expected one "
                                     "MANIFEST beside it");
  signal_stop signals;
  std::atomic<bool> stop = false;
  std::stop_callback on_signal{signals.token(), [&stop] { stop = true; }};
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto all = plan(what, *sessions);
  if (!all)
    return tell(failure_of(std::move(all.error())), to);
  restoring work{what, to, stop};
  auto done = work.check(*all);
  if (done)
    done = work.run(*all);
  auto failures = done ? findings{} : done.error().all;
  if (to.json())
    to.out(work.json(failures));
  else
    to.tell(failures);
  return done ? exit_code::ok : done.error().code;
}

exit_code run_partitions_release(const release_arguments& what, console& to) {
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto note = casual_note_of(what, "partitions release");
  auto released = 0;
  for (auto& session : sessions->open) {
    auto done = release_partition(session.conn, what.partition, note);
    if (!done)
      return tell(admin_fail(done.error()).error(), to);
    released += *done;
  }
  if (released == 0)
    return to.fail(
      exit_code::failed,
      printable(what.partition)
        + " is not held; 'millrace partitions list' shows what is");
  if (to.json())
    to.out("{\"released\":true}\n");
  else
    to.out(printable(what.partition)
           + " is removed again once its table's policy says so\n");
  return exit_code::ok;
}

} // namespace millrace::cli
