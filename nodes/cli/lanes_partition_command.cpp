// The lane commands that need Kafka's word about a partition.

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/lanes_command.hpp"
#include "nodes/cli/lanes_text.hpp"

#include <algorithm>
#include <format>

namespace millrace::cli {

namespace {

admin_result<lane_skip> planned_skip(const lanes_arguments& what,
                                     const lane_status& lane) {
  auto p = std::ranges::find_if(lane.partitions, [&](const lane_progress& x) {
    return x.topic == what.topic && x.source.number.value == what.number;
  });
  if (p == lane.partitions.end())
    return admin_fail(exit_code::failed,
                      std::format("{} reads no partition {} of a topic {}",
                                  to_string(lane.lane), what.number,
                                  printable(what.topic)));
  if (lane.state == lane_state::active)
    return admin_fail(exit_code::failed,
                      to_string(lane.lane)
                        + " is active: 'millrace lanes halt' it first");
  if (what.to <= p->effective.value)
    return admin_fail(exit_code::failed,
                      std::format("{} stands at offset {} of {}/{}: --to must "
                                  "be above it, offsets never go back",
                                  to_string(lane.lane), p->effective.value,
                                  printable(what.topic), what.number));
  return lane_skip{
    lane.lane, p->topic, p->source, p->at, {p->effective, offset{what.to}},
    lane.epoch};
}

/// What the log says about the range; an error when it ends before it.
admin_result<std::string> account_of(log_survey& logs, const lane_skip& x) {
  auto log = logs.marks(x.topic, x.source);
  if (!log) {
    if (logs.unreachable())
      return admin_fail(exit_code::unreachable, "Kafka: " + logs.why_not());
    return " (Kafka was not asked: " + logs.why_not() + ')';
  }
  if (x.range.to > log->high)
    return admin_fail(exit_code::failed,
                      std::format("--to: found {}, expected at most {}, where "
                                  "the log of {}/{} ends",
                                  x.range.to.value, log->high.value,
                                  printable(x.topic), x.source.number.value));
  auto first = std::max(x.range.from, log->low);
  auto there = std::max<int64_t>(x.range.to - first, 0);
  return std::format("; Kafka still has {} of these offsets", there);
}

/// In every database that reads the topic; those that have adopted it already
/// are no fault as long as there is one that has not. Returns the retired
/// topic.
admin_result<uuid> adopt_everywhere(admin_sessions& to,
                                    const topic_adoption& work,
                                    const admin_note& note) {
  std::optional<uuid> result;
  std::optional<store_error> refused;
  for (auto& session : to.open) {
    auto old = lane_admin{session.conn, note}.adopt(work);
    if (old)
      result = *old;
    else if (old.error().code != store_errc::refused
             && old.error().code != store_errc::no_partition)
      return admin_fail(old.error());
    else if (!refused)
      refused = old.error();
  }
  if (result)
    return *result;
  return admin_fail(refused.value());
}

} // namespace

exit_code run_lanes_skip(const lanes_arguments& what, console& to) {
  auto id = parse_lane(what.lane);
  if (!id)
    return to.fail(exit_code::usage, "LANE: found " + in_quotes(what.lane)
                                       + ", expected PIPELINE/TENANT/SHARD");
  if (what.to < 0 || what.number < 0)
    return to.fail(exit_code::usage, "--partition and --to: expected numbers "
                                     "from 0 on");
  if (auto good = check_reason(what); !good)
    return tell(good.error(), to);
  auto session = open_admin(what, id->tenant);
  if (!session)
    return tell(session.error(), to);
  lane_admin rows{session->conn, note_of(what, "lanes skip")};
  auto lane = rows.find(*id);
  if (!lane)
    return tell(admin_fail(lane.error()).error(), to);
  auto plan = planned_skip(what, *lane);
  if (!plan)
    return tell(plan.error(), to);
  log_survey logs{*session->all, session->patience};
  auto account = account_of(logs, *plan);
  if (!account)
    return tell(account.error(), to);
  auto [from, end] = plan->range;
  auto question = std::format(
    "{} passes over offsets {} to {} of {}/{}: its records among these {} "
    "offsets will not be written{}. Go on?",
    to_string(*id), from.value, end.value - 1, what.topic, what.number,
    end - from, *account);
  if (auto agreed = confirm(what, to, question); !agreed)
    return tell(agreed.error(), to);
  if (auto done = rows.skip(*plan); !done)
    return tell(admin_fail(done.error()).error(), to);
  if (to.json()) {
    json_writer out;
    out.begin_object();
    out.key("lane").string(to_string(*id));
    out.key("topic").string(what.topic);
    out.key("partition").integer(what.number);
    out.key("from").integer(from.value);
    out.key("to").integer(end.value);
    out.end_object();
    to.out(out.str() + '\n');
  } else {
    to.out(std::format("{} stands at offset {} of {}/{} and is {} still; "
                       "'millrace lanes resume' makes it go on\n",
                       to_string(*id), end.value, printable(what.topic),
                       what.number, to_string(lane->state)));
  }
  return exit_code::ok;
}

exit_code run_lanes_adopt(const lanes_arguments& what, console& to) {
  if (what.from != "earliest" && what.from != "latest")
    return to.fail(exit_code::usage, "--from: found " + in_quotes(what.from)
                                       + ", expected earliest or latest");
  if (auto good = check_reason(what); !good)
    return tell(good.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  const auto& first = sessions->open.front();
  log_survey logs{*first.all, first.patience};
  auto info = logs.topic(what.topic);
  if (!info)
    return to.fail(logs.unreachable() ? exit_code::unreachable
                                      : exit_code::failed,
                   "Kafka: " + logs.why_not());
  if (!info->id)
    return to.fail(exit_code::failed, "the brokers tell no id for "
                                        + in_quotes(what.topic)
                                        + "; they must be 2.8 or newer");
  topic_adoption work{what.pipeline, what.topic, *info->id, {}};
  for (int32_t i = 0; i < info->partitions; ++i) {
    auto log = logs.marks(what.topic, {*info->id, partition{i}});
    if (!log)
      return to.fail(exit_code::unreachable, "Kafka: " + logs.why_not());
    work.starts.push_back(what.from == "latest" ? log->high : log->low);
  }
  auto old = adopt_everywhere(*sessions, work,
                              note_of(what, "lanes adopt-topic"));
  if (!old)
    return tell(old.error(), to);
  if (to.json()) {
    json_writer out;
    out.begin_object();
    out.key("pipeline").string(what.pipeline);
    out.key("topic").string(what.topic);
    out.key("uuid").string(to_string(*info->id));
    out.key("retired").string(to_string(*old));
    out.key("start_offsets").begin_array();
    for (auto at : work.starts)
      out.integer(at.value);
    out.end_array();
    out.end_object();
    to.out(out.str() + '\n');
  } else {
    to.out(std::format("pipeline {} reads the new topic {} from its {} "
                       "offsets; a node that runs does so within "
                       "kafka.metadata_interval\n",
                       printable(what.pipeline), printable(what.topic),
                       what.from));
  }
  return exit_code::ok;
}

} // namespace millrace::cli
