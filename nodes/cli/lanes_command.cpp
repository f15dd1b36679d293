#include "nodes/cli/lanes_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/lanes_text.hpp"

#include <algorithm>
#include <format>
#include <iterator>

namespace millrace::cli {

namespace {

std::optional<std::string> given(const std::string& x) {
  return x.empty() ? std::nullopt : std::optional{x};
}

/// Records between where a lane stands and the end of the log, or where its
/// backfill ends.
std::optional<int64_t> lag_of(log_survey& logs, const lane_progress& x) {
  auto log = logs.marks(x.topic, x.source);
  if (!log)
    return std::nullopt;
  auto end = std::min(log->high, x.until.value_or(log->high));
  return std::max<int64_t>(end - x.effective, 0);
}

std::string text_of(const std::optional<int64_t>& x) {
  return x ? std::to_string(*x) : "?";
}

void write_lane(json_writer& out, const lane_status& x) {
  out.key("lane").string(to_string(x.lane));
  out.key("pipeline").string(x.lane.pipeline);
  out.key("tenant").string(x.lane.tenant);
  out.key("shard").integer(x.lane.number.value);
  out.key("state").string(to_string(x.state));
  if (!x.reason.empty())
    out.key("reason").string(x.reason);
  out.key("epoch").integer(x.epoch.value);
  if (x.owner)
    out.key("owner").string(to_string(*x.owner));
  if (!x.node.empty())
    out.key("node").string(x.node);
  out.key("next_seq").integer(x.next_seq.value);
  out.key("waiting").integer(x.waiting);
  out.key("updated").string(x.updated);
}

std::string lanes_json(const std::vector<lane_status>& all, log_survey& logs) {
  json_writer out;
  out.begin_array();
  for (const auto& x : all) {
    out.begin_object();
    write_lane(out, x);
    out.key("partitions").begin_array();
    for (const auto& p : x.partitions) {
      out.begin_object();
      out.key("topic").string(p.topic);
      out.key("partition").integer(p.source.number.value);
      out.key("offset").integer(p.effective.value);
      if (auto lag = lag_of(logs, p))
        out.key("lag").integer(*lag);
      out.end_object();
    }
    out.end_array();
    out.end_object();
  }
  out.end_array();
  return std::move(out).str() + '\n';
}

std::string lanes_text(const std::vector<lane_status>& all, log_survey& logs,
                       bool partitions) {
  std::vector<std::vector<std::string>> rows{
    {"LANE", "STATE", "EPOCH", "OWNER", "NODE", "NEXT SEQ", "OFFSET", "LAG",
     "WAITING", "UPDATED", "REASON"}};
  for (const auto& x : all) {
    std::optional<int64_t> lag = 0;
    std::vector<std::vector<std::string>> below;
    for (const auto& p : x.partitions) {
      auto one = lag_of(logs, p);
      lag = lag && one ? std::optional{*lag + *one} : std::nullopt;
      below.push_back({std::format("  {}/{}", p.topic, p.source.number.value),
                       "", "", "", "", "", std::to_string(p.effective.value),
                       text_of(one)});
    }
    rows.push_back(
      {to_string(x.lane), to_string(x.state), std::to_string(x.epoch.value),
       x.owner ? to_string(*x.owner).substr(0, 8) : "-",
       x.node.empty() ? "-" : x.node, std::to_string(x.next_seq.value), "",
       text_of(lag), std::to_string(x.waiting), x.updated, x.reason});
    if (partitions)
      std::ranges::move(below, std::back_inserter(rows));
  }
  return table_text(rows);
}

admin_result<lane_filter> filter_of(const lanes_arguments& what) {
  lane_filter result{given(what.pipeline), given(what.tenant), {}, false};
  if (what.state.empty())
    return result;
  result.state = parse_lane_state(what.state);
  if (!result.state)
    return admin_fail(exit_code::usage, "--state: found "
                                          + in_quotes(what.state)
                                          + ", expected active, parked or "
                                            "halted");
  return result;
}

/// In (pipeline, tenant, shard) order over all databases: a tenant is in one.
admin_result<std::vector<lane_status>> lanes_of(admin_sessions& from,
                                                const lane_filter& which) {
  std::vector<lane_status> result;
  for (auto& session : from.open) {
    auto some = lane_admin{session.conn, {}}.list(which);
    if (!some)
      return admin_fail(some.error());
    std::ranges::move(*some, std::back_inserter(result));
  }
  if (from.several)
    std::ranges::sort(result, {}, &lane_status::lane);
  return result;
}

/// What a command needs to find the partition again.
std::string database_option(const std::string& database) {
  return database == control_database ? "" : " --database " + database;
}

} // namespace

exit_code run_lanes_list(const lanes_arguments& what, console& to) {
  auto which = filter_of(what);
  if (!which)
    return tell(which.error(), to);
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto all = lanes_of(*sessions, *which);
  if (!all)
    return tell(all.error(), to);
  log_survey logs{*sessions->open.front().all, sessions->open.front().patience};
  to.out(to.json() ? lanes_json(*all, logs)
                   : lanes_text(*all, logs, what.partitions));
  if (!to.json() && !logs.why_not().empty())
    to.note("some lag is unknown: " + logs.why_not());
  return tell_lacking(*sessions, to);
}

namespace {

/// Writes the partition, and returns it as text.
std::string halted_text(json_writer& out, const halted_partition& x,
                        const std::string& database) {
  auto command = mend_command(x) + database_option(database);
  auto name = to_string(x.name);
  out.begin_object();
  out.key("partition").string(name);
  if (database != control_database) {
    out.key("database").string(database);
    name += " of database " + database;
  }
  out.key("floor").integer(x.floor.value);
  if (!x.reason.empty())
    out.key("reason").string(x.reason);
  out.key("updated").string(x.updated);
  out.key("command").string(command);
  out.end_object();
  return std::format("partition {} halted since {}\n  reason: {}\n"
                     "  mend:   {}\n",
                     printable(name), x.updated,
                     x.reason.empty() ? "none given" : printable(x.reason),
                     printable(command));
}

} // namespace

exit_code run_lanes_halted(const lanes_arguments& what, console& to) {
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto lanes = lanes_of(*sessions, {given(what.pipeline), given(what.tenant),
                                    std::nullopt, true});
  if (!lanes)
    return tell(lanes.error(), to);
  json_writer out;
  out.begin_object();
  out.key("lanes").begin_array();
  std::string text;
  for (const auto& x : *lanes) {
    out.begin_object();
    write_lane(out, x);
    out.key("command").string(mend_command(x));
    out.end_object();
    text += std::format("lane {} {} since {}\n  reason: {}\n  mend:   {}\n",
                        printable(to_string(x.lane)), to_string(x.state),
                        x.updated,
                        x.reason.empty() ? "none given" : printable(x.reason),
                        printable(mend_command(x)));
  }
  out.end_array();
  out.key("partitions").begin_array();
  auto none = lanes->empty();
  for (auto& session : sessions->open) {
    auto partitions
      = lane_admin{session.conn, {}}.halted_partitions(given(what.pipeline));
    if (!partitions)
      return tell(admin_fail(partitions.error()).error(), to);
    none = none && partitions->empty();
    for (const auto& x : *partitions)
      text += halted_text(out, x, session.database);
  }
  out.end_array();
  out.end_object();
  if (to.json())
    to.out(out.str() + '\n');
  else
    to.out(none ? "nothing is halted\n" : text);
  auto complete = tell_lacking(*sessions, to);
  return none ? complete : exit_code::failed;
}

namespace {

/// Tells what was done: a line each, or an object with `changed`.
void tell_changed(const std::vector<std::string>& names, std::string_view verb,
                  console& to) {
  if (!to.json()) {
    for (const auto& name : names)
      to.out(std::format("{} {}\n", printable(name), verb));
    return;
  }
  json_writer out;
  out.begin_object();
  out.key("changed").begin_array();
  for (const auto& name : names)
    out.string(name);
  out.end_array();
  out.end_object();
  to.out(out.str() + '\n');
}

admin_result<lane_id> lane_of(const std::string& text) {
  if (auto result = parse_lane(text))
    return *result;
  return admin_fail(exit_code::usage, "LANE: found " + in_quotes(text)
                                        + ", expected PIPELINE/TENANT/SHARD, "
                                          "as 'millrace lanes list' shows it");
}

admin_result<void> check_resume(const lanes_arguments& what) {
  auto ways = !what.lane.empty() + !what.partition.empty() + what.all_halted;
  if (ways != 1)
    return admin_fail(exit_code::usage,
                      "expected one of LANE, --all-halted and --partition");
  if (!what.all_halted && !(what.pipeline.empty() && what.tenant.empty()))
    return admin_fail(exit_code::usage,
                      "--pipeline and --tenant go with --all-halted");
  return check_reason(what);
}

} // namespace

namespace {

/// One partition, in the control database unless told otherwise.
exit_code resume_partition(const lanes_arguments& what, console& to) {
  auto which = parse_partition(what.partition);
  if (!which)
    return to.fail(exit_code::usage, "--partition: found "
                                       + in_quotes(what.partition)
                                       + ", expected PIPELINE/TOPIC/NUMBER");
  auto session = open_admin(what);
  if (!session)
    return tell(session.error(), to);
  lane_admin rows{session->conn, note_of(what, "lanes resume")};
  if (auto done = rows.resume(*which); !done)
    return tell(admin_fail(done.error()).error(), to);
  tell_changed({to_string(*which)}, "is active", to);
  return exit_code::ok;
}

/// All stopped lanes of one database; adds to `done`.
admin_result<void> resume_all(const lanes_arguments& what,
                              admin_session& session,
                              std::vector<std::string>& done) {
  lane_admin rows{session.conn, note_of(what, "lanes resume")};
  auto all
    = rows.list({given(what.pipeline), given(what.tenant), std::nullopt, true});
  if (!all)
    return admin_fail(all.error());
  for (const auto& x : *all) {
    auto resumed = rows.resume(x.lane);
    // Refused: somebody else was faster, and that is what was asked for.
    if (!resumed && resumed.error().code != store_errc::refused)
      return admin_fail(resumed.error());
    done.push_back(to_string(x.lane));
  }
  return {};
}

} // namespace

exit_code run_lanes_resume(const lanes_arguments& what, console& to) {
  if (auto good = check_resume(what); !good)
    return tell(good.error(), to);
  if (!what.partition.empty())
    return resume_partition(what, to);
  std::vector<std::string> done;
  if (what.all_halted) {
    auto sessions = open_all_admins(what);
    if (!sessions)
      return tell(sessions.error(), to);
    for (auto& session : sessions->open)
      if (auto resumed = resume_all(what, session, done); !resumed) {
        tell_changed(done, "is active", to);
        return tell(resumed.error(), to);
      }
    tell_changed(done, "is active", to);
    return exit_code::ok;
  }
  auto lane = lane_of(what.lane);
  if (!lane)
    return tell(lane.error(), to);
  auto session = open_admin(what, lane->tenant);
  if (!session)
    return tell(session.error(), to);
  lane_admin rows{session->conn, note_of(what, "lanes resume")};
  if (auto resumed = rows.resume(*lane); !resumed)
    return tell(admin_fail(resumed.error()).error(), to);
  tell_changed({to_string(*lane)}, "is active", to);
  return exit_code::ok;
}

exit_code run_lanes_halt(const lanes_arguments& what, console& to) {
  auto lane = lane_of(what.lane);
  if (!lane)
    return tell(lane.error(), to);
  if (auto good = check_reason(what); !good)
    return tell(good.error(), to);
  auto session = open_admin(what, lane->tenant);
  if (!session)
    return tell(session.error(), to);
  auto done
    = lane_admin{session->conn, note_of(what, "lanes halt")}.halt(*lane);
  if (!done)
    return tell(admin_fail(done.error()).error(), to);
  tell_changed({to_string(*lane)}, "is halted", to);
  return exit_code::ok;
}

} // namespace millrace::cli
