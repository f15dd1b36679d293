// `millrace lanes backfills`: how far they are.

#include "actors/cluster/json_writer.hpp"
#include "actors/store/backfill_list.hpp"
#include "actors/store/backfill_rules.hpp"
#include "nodes/cli/lanes_command.hpp"

#include <algorithm>
#include <format>
#include <string_view>
#include <utility>

namespace millrace::cli {

namespace {

std::string_view state_of(const backfill_status& x) {
  if (!x.ends)
    return "follows";
  return x.done() ? "done" : "ends";
}

std::string lacks_text(const backfill_partition& x) {
  return x.lacks
           ? std::format("{} to {}", x.lacks->from.value, x.lacks->to.value - 1)
           : "-";
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
         std::to_string(p.begin.value), std::to_string(p.floor.value),
         std::to_string(p.until.value), std::to_string(p.behind()),
         std::to_string(p.waiting), lacks_text(p)});
  }
  return all.empty() ? "there are no backfills\n" : table_text(rows);
}

void write_partition(json_writer& out, const backfill_partition& x) {
  out.begin_object();
  out.key("topic").string(x.topic);
  out.key("partition").integer(x.number.value);
  out.key("began").integer(x.begin.value);
  out.key("floor").integer(x.floor.value);
  out.key("until").integer(x.until.value);
  out.key("behind").integer(x.behind());
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

} // namespace

exit_code run_lanes_backfills(const lanes_arguments& what, console& to) {
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
  auto open = std::ranges::any_of(all, [](const backfill_status& x) {
    return !x.done();
  });
  return open ? exit_code::failed : complete;
}

} // namespace millrace::cli
