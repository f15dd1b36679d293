#include "nodes/cli/dlq_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/dlq_text.hpp"
#include "nodes/cli/lanes_text.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <functional>
#include <iterator>

namespace millrace::cli {

namespace {

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
    .count();
}

admin_result<std::optional<int64_t>> time_of(const char* option,
                                             const std::string& text) {
  if (text.empty())
    return std::nullopt;
  if (auto result = parse_time_ms(text, now_ms()))
    return result;
  return admin_fail(exit_code::usage,
                    std::string{option} + ": found " + in_quotes(text)
                      + ", expected a time such as 2026-01-19T17:00:00Z, or a "
                        "duration such as \"90m\" or \"7d\" that means so "
                        "long ago");
}

admin_result<dead_letter_id> id_of(const dlq_arguments& what) {
  auto lane = parse_lane(what.lane);
  if (!lane)
    return admin_fail(exit_code::usage, "LANE: found " + in_quotes(what.lane)
                                          + ", expected PIPELINE/TENANT/SHARD, "
                                            "as 'millrace dlq list' shows it");
  if (what.seq < 0)
    return admin_fail(exit_code::usage, "LANE needs a SEQ behind it: the "
                                        "number of the dead letter");
  return dead_letter_id{std::move(*lane), seq{what.seq}};
}

} // namespace

admin_result<dead_letter_filter> filter_of(const dlq_arguments& what) {
  auto given = [](const std::string& x) {
    return x.empty() ? std::nullopt : std::optional{x};
  };
  dead_letter_filter result;
  result.pipeline = given(what.pipeline);
  result.tenant = given(what.tenant);
  result.topic = given(what.topic);
  result.stage = given(what.stage);
  result.sqlstate = given(what.sqlstate);
  result.reason = given(what.part_of_reason);
  auto since = time_of("--since", what.since);
  if (!since)
    return std::unexpected{since.error()};
  auto until = time_of("--until", what.until);
  if (!until)
    return std::unexpected{until.error()};
  result.since_ms = *since;
  result.until_ms = *until;
  if (what.limit < 1)
    return admin_fail(exit_code::usage, "--limit: expected a number from 1 on");
  return result;
}

admin_result<dead_letter_filter> narrow_filter_of(const dlq_arguments& what) {
  auto result = filter_of(what);
  if (!result)
    return result;
  if (what.lane.empty() && result->empty())
    return admin_fail(exit_code::usage,
                      "expected LANE SEQ, or at least one of --pipeline, "
                      "--tenant, --topic, --stage, --sqlstate, --match, "
                      "--since and --until");
  if (what.lane.empty())
    return result;
  if (!result->empty())
    return admin_fail(exit_code::usage, "expected either LANE SEQ or filters");
  auto id = id_of(what);
  if (!id)
    return std::unexpected{id.error()};
  result->one = std::move(*id);
  return result;
}

exit_code run_kept_list(const dlq_arguments& what, console& to) {
  auto which = filter_of(what);
  if (!which)
    return tell(which.error(), to);
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  std::vector<dead_letter_info> all;
  for (auto& session : sessions->open) {
    auto some = kept_events{session.conn, what.where}.list(*which, what.limit);
    if (!some)
      return tell(admin_fail(some.error()).error(), to);
    std::ranges::move(*some, std::back_inserter(all));
  }
  if (sessions->several)
    std::ranges::stable_sort(all, std::ranges::greater{},
                             &dead_letter_info::time);
  all.resize(std::min(all.size(), static_cast<std::size_t>(what.limit)));
  to.out(to.json() ? dead_letters_json(all) : dead_letters_text(all));
  if (!to.json() && std::ssize(all) == what.limit)
    to.note("there may be more: --limit");
  return tell_lacking(*sessions, to);
}

exit_code run_kept_count(const dlq_arguments& what, console& to) {
  auto which = filter_of(what);
  if (!which)
    return tell(which.error(), to);
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  std::vector<dead_letter_count> all;
  for (auto& session : sessions->open) {
    auto some = kept_events{session.conn, what.where}.counts(*which,
                                                             what.limit);
    if (!some)
      return tell(admin_fail(some.error()).error(), to);
    std::ranges::move(*some, std::back_inserter(all));
  }
  if (sessions->several)
    std::ranges::stable_sort(all, std::ranges::greater{},
                             &dead_letter_count::number);
  all.resize(std::min(all.size(), static_cast<std::size_t>(what.limit)));
  to.out(to.json() ? counts_json(all) : counts_text(all));
  return tell_lacking(*sessions, to);
}

exit_code run_kept_show(const dlq_arguments& what, console& to) {
  auto id = id_of(what);
  if (!id)
    return tell(id.error(), to);
  if (what.raw && to.json())
    return to.fail(exit_code::usage, "expected one of --raw and --json");
  auto session = open_admin(what, id->lane.tenant);
  if (!session)
    return tell(session.error(), to);
  auto x = kept_events{session->conn, what.where}.find(*id);
  if (!x)
    return tell(admin_fail(x.error()).error(), to);
  if (!*x)
    return to.fail(exit_code::failed, (what.where == kept_in::waiting
                                         ? "there is no waiting event "
                                         : "there is no dead letter ")
                                        + to_string(*id));
  if (what.raw)
    to.out((*x)->value.value_or(""));
  else
    to.out(to.json() ? dead_letter_json(**x) : dead_letter_text(**x));
  return exit_code::ok;
}

namespace {

/// `step` for each database; the sum of all.
template <class Step>
admin_result<dead_letter_sum> sum_over(admin_sessions& sessions, Step step) {
  dead_letter_sum result;
  for (auto& session : sessions.open) {
    store_result<dead_letter_sum> some = step(session.conn);
    if (!some)
      return admin_fail(some.error());
    result.number += some->number;
    result.bytes += some->bytes;
  }
  return result;
}

} // namespace

exit_code run_dlq_prune(const dlq_arguments& what, console& to) {
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  const auto& options = sessions->open.front().all->dead_letters;
  dead_letter_limits limits{options.keep.count(), options.max_bytes};
  auto note = note_of(what, "dlq prune");
  note.reason = std::format("keep = {}, max_bytes = {}",
                            format_duration(options.keep),
                            format_size(options.max_bytes));
  auto sum = sum_over(*sessions, [&](connection& conn) {
    return dead_letters{conn, note}.prunable(limits);
  });
  if (!sum)
    return tell(sum.error(), to);
  if (!what.dry_run && sum->number > 0) {
    auto question = std::format("{} dead letters of {} bytes are beyond {} "
                                "and will be gone. Go on?",
                                sum->number, sum->bytes, note.reason);
    if (auto agreed = confirm(what, to, question); !agreed)
      return tell(agreed.error(), to);
    sum = sum_over(*sessions, [&](connection& conn) {
      return dead_letters{conn, note}.prune(limits);
    });
    if (!sum)
      return tell(sum.error(), to);
  }
  if (to.json())
    to.out(std::format("{{\"{}\":{},\"bytes\":{}}}\n",
                       what.dry_run ? "prunable" : "pruned", sum->number,
                       sum->bytes));
  else
    to.out(std::format("{} {} of {} bytes\n",
                       what.dry_run ? "would remove" : "removed", sum->number,
                       sum->bytes));
  return exit_code::ok;
}

exit_code run_dlq_discard(const dlq_arguments& what, console& to) {
  auto which = narrow_filter_of(what);
  if (!which)
    return tell(which.error(), to);
  if (auto good = check_reason(what); !good)
    return tell(good.error(), to);
  auto sessions = open_all_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  auto note = note_of(what, "dlq discard");
  auto sum = sum_over(*sessions, [&](connection& conn) {
    return dead_letters{conn, note}.sum(*which);
  });
  if (!sum)
    return tell(sum.error(), to);
  if (sum->number == 0 && which->one)
    return to.fail(exit_code::failed,
                   "there is no dead letter " + to_string(*which->one));
  // One that was named needs no second word.
  if (!which->one && sum->number > 0) {
    auto question = std::format("{} dead letters of {} bytes will be gone; "
                                "their coordinates and hashes stay in "
                                "millrace.admin_action. Go on?",
                                sum->number, sum->bytes);
    if (auto agreed = confirm(what, to, question); !agreed)
      return tell(agreed.error(), to);
  }
  int64_t done = 0;
  for (auto& session : sessions->open) {
    auto some = dead_letters{session.conn, note}.discard(*which);
    if (!some)
      return tell(admin_fail(some.error()).error(), to);
    done += *some;
  }
  to.out(to.json() ? std::format("{{\"discarded\":{}}}\n", done)
                   : std::format("discarded {}\n", done));
  return exit_code::ok;
}

} // namespace millrace::cli
