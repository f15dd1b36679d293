// `millrace db restore`.

#include "nodes/cli/db_restore.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/restore_run.hpp"
#include "nodes/cli/signal_stop.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

admin_result<void> check(const db_restore_arguments& what) {
  if (what.jobs < 1 || what.jobs > 64)
    return admin_fail(exit_code::usage, "--jobs: expected 1 to 64");
  if (what.list_old || !what.drop_old.empty()) {
    if (what.name.empty() && !(what.list_old && !what.drop_old.empty()))
      return {};
    return admin_fail(exit_code::usage,
                      "expected one of NAME, --list-old and --drop-old");
  }
  if (auto problem = backup_name_problem(what.name);
      problem && !what.name.empty())
    return admin_fail(exit_code::usage, *problem);
  return check_reason(what);
}

// -- what restores have left --------------------------------------------------

struct old_database {
  std::string of;
  left_database what;
};

/// What it is to a person.
std::string_view state_of(const left_database& x) {
  switch (x.mark.role) {
    case restore_role::filling:
      return "unfinished copy";
    case restore_role::verified:
      return "verified copy";
    case restore_role::restored:
    case restore_role::replaced:
      break;
  }
  return "replaced";
}

/// Calls `visit` with the server of each database of the configuration.
template <class Visit>
admin_result<void> each_server(const db_restore_arguments& what,
                               const admin_plan& from, Visit visit) {
  for (const auto* x : all_databases(*from.all)) {
    if (!what.database.empty() && what.database != x->name)
      continue;
    auto server = restore_server::open(*x, what.maintenance, from.patience);
    if (!server)
      return std::unexpected{server.error()};
    auto all = server->left();
    if (!all)
      return std::unexpected{all.error()};
    if (auto done = visit(*x, *server, *all); !done)
      return done;
  }
  return {};
}

exit_code list_old(const db_restore_arguments& what, const admin_plan& from,
                   console& to) {
  std::vector<old_database> found;
  auto done = each_server(
    what, from,
    [&](const postgresql_config& x, restore_server&,
        const std::vector<left_database>& all) -> admin_result<void> {
      for (const auto& one : all)
        found.push_back({x.name, one});
      return {};
    });
  if (!done)
    return tell(done.error(), to);
  if (to.json()) {
    json_writer out;
    out.begin_array();
    for (const auto& x : found) {
      out.begin_object();
      out.key("name").string(x.what.name);
      out.key("of").string(x.of);
      out.key("database").string(x.what.mark.database);
      out.key("state").string(state_of(x.what));
      out.key("at").string(x.what.mark.at);
      out.key("by").string(x.what.mark.backup);
      out.key("bytes").integer(x.what.bytes);
      out.end_object();
    }
    out.end_array();
    to.out(std::move(out).str() + '\n');
    return exit_code::ok;
  }
  std::vector<std::vector<std::string>> rows{
    {"NAME", "OF", "STATE", "AT", "BY BACKUP", "BYTES"}};
  for (const auto& x : found)
    rows.push_back({x.what.name, x.of, std::string{state_of(x.what)},
                    x.what.mark.at, x.what.mark.backup,
                    std::to_string(x.what.bytes)});
  to.out(table_text(rows));
  return exit_code::ok;
}

/// What all servers of the configuration have, whatever is narrowed.
admin_result<std::vector<restore_state>>
look_everywhere(const db_restore_arguments& what, const admin_plan& from) {
  std::vector<restore_state> result;
  for (const auto* x : all_databases(*from.all)) {
    auto server = restore_server::open(*x, what.maintenance, from.patience);
    if (!server)
      return std::unexpected{server.error()};
    auto state = server->look();
    if (!state)
      return std::unexpected{state.error()};
    result.push_back(std::move(*state));
  }
  return result;
}

admin_result<void> check_may_go(const db_restore_arguments& what,
                                const admin_plan& from,
                                const left_database& copy) {
  if (copy.mark.role != restore_role::verified)
    return {};
  auto states = look_everywhere(what, from);
  if (!states)
    return std::unexpected{states.error()};
  if (auto why = keep_reason(*states, copy.mark))
    return admin_fail(exit_code::failed,
                      in_quotes(copy.name) + " stays: " + *why);
  return {};
}

exit_code drop_old(const db_restore_arguments& what, const admin_plan& from,
                   console& to) {
  auto dropped = false;
  auto done = each_server(
    what, from,
    [&](const postgresql_config&, restore_server& server,
        const std::vector<left_database>& all) -> admin_result<void> {
      auto i = std::ranges::find(all, what.drop_old, &left_database::name);
      if (i == all.end())
        return {};
      // A copy may be another command's, which fills it just now.
      if (auto mine = server.lock(); !mine)
        return mine;
      if (auto fine = check_may_go(what, from, *i); !fine)
        return fine;
      auto sure = confirm(what, to,
                          std::format("{} ({}), {} bytes, will be dropped for "
                                      "ever. Go on?",
                                      i->name, state_of(*i), i->bytes));
      if (sure)
        sure = server.drop_left(i->name);
      dropped = sure.has_value();
      return sure;
    });
  if (!done)
    return tell(done.error(), to);
  if (!dropped)
    return to.fail(exit_code::failed,
                   in_quotes(what.drop_old)
                     + " is no database that a restore has replaced, and no "
                       "copy of one; "
                       "'millrace db restore --list-old' names all");
  if (to.json()) {
    json_writer out;
    out.begin_object();
    out.key("dropped").string(what.drop_old);
    out.end_object();
    to.out(std::move(out).str() + '\n');
  } else {
    to.out(printable(what.drop_old) + " is dropped\n");
  }
  return exit_code::ok;
}

// -- the result ---------------------------------------------------------------

void write(json_writer& out, const log_loss& x) {
  out.begin_object();
  out.key("lane").string(to_string(x.lane));
  out.key("topic").string(x.topic);
  out.key("topic_id").string(to_string(x.source.topic));
  out.key("partition").integer(x.source.number.value);
  out.key("what").string(to_string(x.kind));
  out.key("wanted").integer(x.wanted.value);
  if (x.log) {
    out.key("lowest").integer(x.log->from.value);
    out.key("end").integer(x.log->to.value);
  }
  out.end_object();
}

std::string json_of(const restore_outcome& x, const std::string& backup) {
  json_writer out;
  out.begin_object();
  out.key("backup").string(backup);
  out.key("incarnation").string(to_string(x.incarnation));
  out.key("databases").begin_array();
  for (const auto& d : x.databases) {
    out.begin_object();
    out.key("name").string(d.name);
    out.key("database").string(d.database);
    out.key("old").string(d.old);
    out.key("rows").integer(d.rows);
    out.key("lanes").integer(d.lanes);
    if (!d.since.empty())
      out.key("since").string(d.since);
    out.end_object();
  }
  out.end_array();
  out.key("lost").begin_array();
  for (const auto& loss : x.lost)
    write(out, loss);
  out.end_array();
  out.end_object();
  return std::move(out).str() + '\n';
}

std::string text_of(const restore_outcome& x) {
  std::string result;
  for (const auto& d : x.databases) {
    if (!d.since.empty()) {
      result += std::format("database {}: {} is of this backup since {}; "
                            "nothing was done, --again restores it once more\n",
                            d.name, printable(d.database), d.since);
      continue;
    }
    result += std::format("database {}: {} is restored, {} rows and {} lanes",
                          d.name, printable(d.database), d.rows, d.lanes);
    result += d.old.empty() ? std::string{"\n"}
                            : std::format("; the old one is kept as {}\n",
                                          printable(d.old));
  }
  if (!x.lost.empty())
    result += "accepted as lost:\n" + losses_text(x.lost);
  return result;
}

} // namespace

exit_code run_db_restore(const db_restore_arguments& what, console& to) {
  if (auto fits = check(what); !fits)
    return tell(fits.error(), to);
  signal_stop signals;
  // The database in place may be gone, so that no session of it is opened here.
  auto from = make_admin_plan(what);
  if (!from)
    return tell(from.error(), to);
  if (what.list_old)
    return list_old(what, *from, to);
  if (!what.drop_old.empty())
    return drop_old(what, *from, to);
  auto chosen = what;
  if (chosen.name.empty()) {
    auto newest = newest_of(list_backups(what.folder));
    if (!newest)
      return to.fail(exit_code::failed,
                     "there is no backup in " + in_quotes(what.folder)
                       + "; expected --folder FOLDER, where backups are");
    chosen.name = *newest;
  }
  auto stop = signals.token();
  auto done = restore_run{chosen, *from->all, from->patience, to, stop}.run();
  if (!done)
    return tell(done.error(), to);
  to.out(to.json() ? json_of(*done, chosen.name) : text_of(*done));
  return exit_code::ok;
}

} // namespace millrace::cli
