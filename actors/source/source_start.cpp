// The part of a SOURCE that asks for what a boot has to know: the logs of its
// topics and, once in a pipeline's life, where it begins.

#include "actors/cluster/log.hpp"
#include "actors/source/source.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace {

namespace {

/// As many as fit on a line of the log; all are in `millrace.topic`.
constexpr std::size_t max_logged = 20;

std::string joined(const std::vector<partition_log>& logs,
                   const std::vector<offset>& starts) {
  std::string result;
  auto shown = std::min(logs.size(), max_logged);
  for (std::size_t i = 0; i < shown; ++i)
    result += (i == 0 ? "" : " ")
              + to_string(start_offset{logs[i].topic, logs[i].number.value,
                                       starts[i].value});
  return shown < logs.size() ? result + " …" : result;
}

} // namespace

std::expected<boot_request, kafka_error>
source_state::prepare(const topic_survey& found) {
  boot_request result;
  result.pipeline = config_.pipeline;
  result.map_fingerprint = config_.map_fingerprint;
  result.lanes = config_.lanes;
  result.tenants = config_.tenants;
  result.tables = config_.tables;
  result.backfill = config_.backfill;
  // Later the program is not fresh any more: somebody else may have changed
  // tables and shape since (rule 26).
  result.adopt_shape = !booted_;
  auto names = consumers_.incomplete(found);
  auto compacted = ask_compacted(names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& topic = *found.find(names[i]);
    std::vector<kafka_partition> logs;
    for (int32_t n = 0; n < topic.partitions; ++n)
      logs.push_back({topic.name, partition{n}});
    auto marks = client_->watermarks(logs, config_.kafka_timeout);
    if (!marks)
      return std::unexpected{marks.error()};
    auto gaps = config_.gaps == gap_policy::verify && compacted[i]
                  ? gap_policy::allow
                  : config_.gaps;
    boot_topic to{topic.id, topic.name, {}, to_string(gaps)};
    for (std::size_t n = 0; n < logs.size(); ++n) {
      const auto& log = (*marks)[n];
      if (!log)
        return std::unexpected{log.error()};
      auto& p = to.partitions.emplace_back(logs[n].number, log->low);
      if (config_.start.start.from == start_position::latest)
        p.first_start = log->high;
    }
    result.topics.push_back(std::move(to));
  }
  result.starts_known = !config_.start.needs_questions();
  // Only for this request: if it fails, somebody else may be first.
  if (std::exchange(starts_wanted_, false))
    return with_first_starts(found, std::move(result));
  return result;
}

/// Which of the topics are compacted. Who may not ask gets holes verified,
/// which is slower and right as well.
std::vector<bool>
source_state::ask_compacted(const std::vector<std::string>& topics) {
  if (config_.gaps != gap_policy::verify)
    return std::vector<bool>(topics.size());
  auto result = client_->are_compacted(topics, config_.kafka_timeout);
  if (result)
    return std::move(*result);
  log::info("topic-settings-unknown", {{"pipeline", config_.reading},
                                       {"reason", result.error().message}});
  return std::vector<bool>(topics.size());
}

/// Rule 1: says of each partition of the request where it begins, or what is
/// wrong. Nothing is kept of it: what the database takes counts.
std::expected<boot_request, kafka_error>
source_state::with_first_starts(const topic_survey& found, boot_request asked) {
  auto seen = ask_starts(found, asked);
  if (!seen)
    return std::unexpected{seen.error()};
  auto starts = first_starts(config_.start, *seen);
  if (!starts)
    return std::unexpected{kafka_error{kafka_errc::other, kafka_action::retry,
                                       0, std::move(starts.error())}};
  log::info("source-begins", {{"pipeline", config_.reading},
                              {"start", to_string(config_.start.start)},
                              {"offsets", joined(seen->logs, *starts)}});
  auto next = starts->begin();
  for (auto& topic : asked.topics)
    for (auto& p : topic.partitions)
      p.first_start = *next++;
  asked.starts_known = true;
  return asked;
}

/// The ends are asked last: what was found before is not beyond them.
std::expected<start_survey, kafka_error>
source_state::ask_starts(const topic_survey& found, const boot_request& asked) {
  using namespace std::chrono;
  const auto& start = config_.start.start;
  start_survey result{.topics = found, .logs = {}};
  std::vector<kafka_partition> which;
  for (const auto& topic : asked.topics)
    for (const auto& p : topic.partitions)
      which.push_back({topic.name, p.number});
  std::vector<std::optional<offset>> at_instant(which.size());
  auto of_group = at_instant;
  if (start.from == start_position::instant) {
    auto times = client_->offsets_at(which, start.instant_ms,
                                     config_.kafka_timeout);
    if (!times)
      return std::unexpected{times.error()};
    at_instant = std::move(*times);
  }
  if (start.from == start_position::group) {
    auto told = client_->group_offsets(start.group, which,
                                       config_.kafka_timeout);
    if (!told)
      return std::unexpected{told.error()};
    result.group_known = told->known;
    of_group = std::move(told->next);
  }
  auto marks = client_->watermarks(which, config_.kafka_timeout);
  if (!marks)
    return std::unexpected{marks.error()};
  for (std::size_t i = 0; i < which.size(); ++i) {
    const auto& log = (*marks)[i];
    if (!log)
      return std::unexpected{log.error()};
    result.logs.push_back({which[i].topic, which[i].number, log->low, log->high,
                           at_instant[i], of_group[i]});
  }
  result.now_ms
    = duration_cast<milliseconds>(system_clock::now().time_since_epoch())
        .count();
  return result;
}

} // namespace millrace
