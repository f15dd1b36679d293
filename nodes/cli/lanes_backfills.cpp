// `millrace lanes backfills`: how far they are, and an end of one.

#include "actors/cluster/json_writer.hpp"
#include "actors/store/backfill_end.hpp"
#include "actors/store/backfill_list.hpp"
#include "actors/store/backfill_rules.hpp"
#include "config/values.hpp"
#include "nodes/cli/lanes_command.hpp"

#include <algorithm>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

namespace {

std::string_view state_of(const backfill_status& x) {
  if (x.given_up)
    return "given up";
  if (!x.ends)
    return "follows";
  return x.done() ? "done" : "ends";
}

std::string lacks_text(const backfill_partition& x) {
  return x.lacks
           ? std::format("{} to {}", x.lacks->from.value, x.lacks->to.value - 1)
           : "-";
}

std::string text_of(const std::optional<offset>& x) {
  return x ? std::to_string(x->value) : "?";
}

std::string backfills_text(const std::vector<backfill_status>& all) {
  std::vector<std::vector<std::string>> rows{
    {"BACKFILL", "OF", "STATE", "TABLES", "PARTITION", "BEGAN", "HAS", "UNTIL",
     "BEHIND", "WAITING", "LACKS"}};
  for (const auto& x : all) {
    rows.push_back({x.pipeline, x.of, std::string{state_of(x)},
                    listed(x.tables), "", "", "", "",
                    std::to_string(x.behind())});
    for (const auto& p : x.partitions)
      rows.push_back(
        {"", "", "", "", std::format("{}/{}", p.topic, p.number.value),
         text_of(p.begin), text_of(p.floor), std::to_string(p.until.value),
         p.floor ? std::to_string(p.behind()) : "?", std::to_string(p.waiting),
         lacks_text(p)});
  }
  return all.empty() ? "there are no backfills\n" : table_text(rows);
}

void write_partition(json_writer& out, const backfill_partition& x) {
  out.begin_object();
  out.key("topic").string(x.topic);
  out.key("partition").integer(x.number.value);
  if (x.begin && x.floor) {
    out.key("began").integer(x.begin->value);
    out.key("floor").integer(x.floor->value);
    out.key("behind").integer(x.behind());
  }
  out.key("until").integer(x.until.value);
  out.key("waiting").integer(x.waiting);
  if (x.lacks) {
    out.key("lacks_from").integer(x.lacks->from.value);
    out.key("lacks_to").integer(x.lacks->to.value);
  }
  out.end_object();
}

std::string backfills_json(const std::vector<backfill_status>& all) {
  json_writer out;
  out.begin_array();
  for (const auto& x : all) {
    out.begin_object();
    out.key("pipeline").string(x.pipeline);
    out.key("backfills").string(x.of);
    out.key("state").string(state_of(x));
    out.key("holds").boolean(x.holds);
    out.key("tables").begin_array();
    for (const auto& table : x.tables)
      out.string(table);
    out.end_array();
    out.key("partitions").begin_array();
    for (const auto& p : x.partitions)
      write_partition(out, p);
    out.end_array();
    out.end_object();
  }
  out.end_array();
  return std::move(out).str() + '\n';
}

/// What there is of it in each database that has it.
struct found_backfill {
  admin_session* session;
  backfill_status what;
};

admin_result<std::vector<found_backfill>>
find_backfill(admin_sessions& sessions, const std::string& name) {
  std::vector<found_backfill> result;
  std::string_view ended;
  for (auto& session : sessions.open) {
    auto all = list_backfills(session.conn);
    if (!all)
      return admin_fail(all.error());
    auto x = std::ranges::find(*all, name, &backfill_status::pipeline);
    if (x != all->end() && x->open())
      result.push_back({&session, std::move(*x)});
    else if (x != all->end())
      ended = state_of(*x);
  }
  if (!result.empty())
    return result;
  if (!ended.empty())
    return admin_fail(exit_code::failed,
                      std::format("backfill {} is {}: nothing of it is to come",
                                  printable(name), ended));
  return admin_fail(exit_code::usage, "--give-up: found " + in_quotes(name)
                                        + ", expected a backfill, as 'millrace "
                                          "lanes backfills' names them");
}

std::string place_of(const found_backfill& x) {
  return x.session->database == control_database
           ? ""
           : " of database " + printable(x.session->database);
}

std::string plan_text(const std::vector<found_backfill>& all) {
  std::string result;
  for (const auto& [session, x] : all) {
    result += std::format("backfill {}{} of {} ends where it is, {} offsets "
                          "before its end:\n",
                          printable(x.pipeline), place_of({session, x}),
                          printable(x.of), x.behind());
    for (const auto& p : x.partitions)
      if (p.floor)
        result += std::format("  {}/{}: nothing more is written from {} on{}\n",
                              printable(p.topic), p.number.value,
                              p.floor->value,
                              p.waiting == 0
                                ? ""
                                : std::format("; {} events that wait become "
                                              "dead letters",
                                              p.waiting));
      else
        result += std::format("  {}/{}: nothing was written\n",
                              printable(p.topic), p.number.value);
  }
  return result
         + "What it has written stays. Some lanes may be further than their "
           "partition says.\n";
}

/// In each database by itself: one that refuses keeps no other one from it, and
/// the same command does the rest.
exit_code end_all(const std::vector<found_backfill>& all,
                  const lanes_arguments& what, console& to) {
  json_writer out;
  std::string text;
  admin_failure wrong{exit_code::ok, {}};
  out.begin_array();
  for (const auto& x : all) {
    auto done = give_up_backfill(x.session->conn, what.give_up,
                                 note_of(what, "lanes backfills --give-up"));
    out.begin_object();
    out.key("pipeline").string(what.give_up);
    out.key("database").string(x.session->database);
    if (done) {
      out.key("waiting_dead").integer(done->dead);
      text += std::format("backfill {}{} is given up; {} events that waited "
                          "are dead letters\n",
                          printable(what.give_up), place_of(x), done->dead);
    } else {
      auto why = std::move(admin_fail(done.error()).error());
      out.key("error").string(why.all.front().text);
      wrong.all.push_back(
        make_error(std::format("backfill {}{}: {}", printable(what.give_up),
                               place_of(x), why.all.front().text)));
      if (wrong.code != exit_code::failed)
        wrong.code = why.code;
    }
    out.end_object();
  }
  out.end_array();
  if (wrong.all.size() == all.size())
    return tell(wrong, to);
  to.out(to.json() ? std::move(out).str() + '\n' : text);
  if (!to.json())
    to.tell(wrong.all);
  return wrong.code;
}

exit_code give_up(const lanes_arguments& what, console& to) {
  if (auto good = check_reason(what); !good)
    return tell(good.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto found = find_backfill(*sessions, what.give_up);
  if (!found)
    return tell(found.error(), to);
  to.note(plan_text(*found));
  if (auto agreed = confirm(what, to, "It cannot be taken back. Go on?");
      !agreed)
    return tell(agreed.error(), to);
  return end_all(*found, what, to);
}

} // namespace

exit_code run_lanes_backfills(const lanes_arguments& what, console& to) {
  if (!what.give_up.empty())
    return give_up(what, to);
  if (what.yes || !what.reason.empty())
    return to.fail(exit_code::usage, "--yes and --reason go with --give-up");
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  std::vector<backfill_status> all;
  for (auto& session : sessions->open) {
    auto some = list_backfills(session.conn);
    if (!some)
      return tell(admin_fail(some.error()).error(), to);
    for (auto& x : *some) {
      if (!what.pipeline.empty() && x.pipeline != what.pipeline)
        continue;
      if (session.database != control_database)
        x.pipeline += '@' + session.database;
      all.push_back(std::move(x));
    }
  }
  to.out(to.json() ? backfills_json(all) : backfills_text(all));
  auto complete = tell_lacking(*sessions, to);
  auto open = std::ranges::any_of(all, &backfill_status::open);
  return open ? exit_code::failed : complete;
}

} // namespace millrace::cli
