#include "actors/source/first_starts.hpp"

#include <algorithm>
#include <format>
#include <string_view>

namespace millrace {

namespace {

/// So many faults say enough.
constexpr std::size_t max_faults = 20;

std::string name_of(const partition_log& x) {
  return std::format("{}/{}", x.topic, x.number.value);
}

std::string range_of(const partition_log& x) {
  return std::format("{} to {} are possible", x.low.value, x.high.value);
}

/// What is wrong with the offset.
std::optional<std::string_view> fault_of(const partition_log& log, offset at) {
  if (at < log.low)
    return "below the first record that is left";
  if (log.high < at)
    return "beyond the end";
  return std::nullopt;
}

class resolution {
public:
  resolution(const start_rule& rule, const start_survey& seen)
    : rule_{rule},
      seen_{seen} {
  }

  std::expected<std::vector<offset>, std::string> run() {
    check_topics();
    check_listed();
    check_start();
    std::vector<offset> result;
    for (const auto& log : seen_.logs)
      result.push_back(start_of(log));
    if (faults_.empty())
      return result;
    return std::unexpected{text()};
  }

private:
  void fault(std::string_view key, std::string_view what) {
    faults_.push_back(std::format("{}: {}", key, what));
  }

  void check_topics() {
    for (const auto& x : seen_.topics.missing)
      fault("topics", "'" + x
                        + "' is not in the cluster, and one that comes later "
                          "is read from its first record: create it, or take "
                          "it out");
    if (seen_.topics.topics.empty() && seen_.topics.missing.empty())
      fault("topics", "none is in the cluster, and those that come later are "
                      "read from their first records: create them first");
  }

  void check_listed() {
    for (const auto& x : rule_.offsets) {
      const auto* topic = seen_.topics.find(x.topic);
      auto missing = std::ranges::contains(seen_.topics.missing, x.topic);
      if (!topic && !missing)
        fault("start_offsets",
              "'" + to_string(x) + "': no topic '" + x.topic + "' is read");
      else if (topic && x.partition >= topic->partitions)
        fault("start_offsets",
              std::format("'{}': the topic's partitions are 0 to {}",
                          to_string(x), topic->partitions - 1));
    }
  }

  void check_start() {
    if (rule_.start.from == start_position::instant
        && rule_.start.instant_ms > seen_.now_ms)
      fault("start", "\"" + to_string(rule_.start)
                       + "\" is in the future: give a time that has come, or "
                         "\"latest\"");
    auto asked = std::ranges::any_of(seen_.logs, [this](const auto& log) {
      return log.low < log.high && !listed(log);
    });
    if (rule_.start.from == start_position::group && !seen_.group_known
        && asked)
      fault("start", "the cluster knows no consumer group '" + rule_.start.group
                       + "': give the group.id of the service that has read "
                         "these topics");
  }

  const start_offset* listed(const partition_log& log) const {
    auto i = std::ranges::find_if(rule_.offsets, [&](const start_offset& x) {
      return x.topic == log.topic && x.partition == log.number.value;
    });
    return i == rule_.offsets.end() ? nullptr : &*i;
  }

  offset start_of(const partition_log& log) {
    if (const auto* x = listed(log))
      return start_listed(log, *x);
    switch (rule_.start.from) {
      case start_position::earliest:
        return log.low;
      case start_position::latest:
        return log.high;
      case start_position::instant:
        // Behind the end are open transactions, whose records come later.
        return std::min(log.at_instant.value_or(log.high), log.high);
      case start_position::group:
        return start_of_group(log);
    }
    return log.low;
  }

  offset start_listed(const partition_log& log, const start_offset& x) {
    offset result{x.offset};
    if (auto wrong = fault_of(log, result))
      fault("start_offsets",
            std::format("'{}' is {}, {}", to_string(x), *wrong, range_of(log)));
    return result;
  }

  offset start_of_group(const partition_log& log) {
    auto mend = std::format("say where to begin by start_offsets = "
                            "[\"{}=OFFSET\"], {}",
                            name_of(log), range_of(log));
    if (!log.next_of_group) {
      if (log.low < log.high && seen_.group_known)
        fault("start",
              std::format("group '{}' has committed no offset of '{}': {}",
                          rule_.start.group, name_of(log), mend));
      return log.low;
    }
    if (auto wrong = fault_of(log, *log.next_of_group))
      fault("start", std::format("group '{}' goes on at {} of '{}', which is "
                                 "{}: {}",
                                 rule_.start.group, log.next_of_group->value,
                                 name_of(log), *wrong, mend));
    return *log.next_of_group;
  }

  std::string text() const {
    std::string result = "cannot begin:";
    auto shown = std::min(faults_.size(), max_faults);
    for (std::size_t i = 0; i < shown; ++i)
      result += (i == 0 ? " " : "; ") + faults_[i];
    if (shown < faults_.size())
      result += std::format("; and {} more", faults_.size() - shown);
    return result;
  }

  const start_rule& rule_;
  const start_survey& seen_;
  std::vector<std::string> faults_;
};

} // namespace

std::expected<std::vector<offset>, std::string>
first_starts(const start_rule& rule, const start_survey& seen) {
  return resolution{rule, seen}.run();
}

std::vector<lacking_records> judge_gap(const backfill_gap& gap,
                                       const boot_request& asked) {
  // Where the log began.
  auto low = gap.range.to;
  auto topic = std::ranges::find(asked.topics, gap.topic, &boot_topic::name);
  if (topic != asked.topics.end()) {
    auto p = std::ranges::find(topic->partitions, gap.number,
                               &boot_partition::number);
    if (p != topic->partitions.end())
      low = std::clamp(p->start, gap.range.from, gap.range.to);
  }
  std::vector<lacking_records> result;
  if (gap.range.from < low)
    result.push_back({{gap.range.from, low}, false});
  if (low < gap.range.to)
    result.push_back({{low, gap.range.to}, true});
  return result;
}

} // namespace millrace
