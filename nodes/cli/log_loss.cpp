#include "nodes/cli/log_loss.hpp"

#include "nodes/cli/console.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace millrace::cli {

namespace {

std::optional<loss_kind> judge(const kept_partition& x, int64_t wanted,
                               const known_log& log) {
  if (!log.topic)
    return loss_kind::gone;
  if (*log.topic != x.source.topic)
    return loss_kind::recreated;
  if (!log.range)
    return loss_kind::gone;
  if (wanted < log.range->from.value)
    return loss_kind::expired;
  if (wanted > log.range->to.value)
    return loss_kind::truncated;
  return std::nullopt;
}

} // namespace

std::string_view to_string(loss_kind x) {
  switch (x) {
    case loss_kind::expired:
      return "deleted";
    case loss_kind::truncated:
      return "truncated";
    case loss_kind::recreated:
      return "topic made anew";
    case loss_kind::gone:
      break;
  }
  return "topic gone";
}

std::vector<std::pair<std::string, partition_id>>
partitions_read(const database_facts& x) {
  std::set<std::pair<std::string, partition_id>> result;
  for (const auto& p : x.partitions)
    if (!p.retired)
      result.emplace(p.topic, p.source);
  return {result.begin(), result.end()};
}

std::vector<log_loss> losses_of(const database_facts& x,
                                const log_lookup& log) {
  std::map<std::string, std::vector<const kept_partition*>> slots;
  for (const auto& p : x.partitions)
    slots[p.pipeline].push_back(&p);
  std::vector<log_loss> result;
  for (const auto& lane : x.lanes) {
    const auto& mine = slots[lane.lane.pipeline];
    for (std::size_t i = 0; i < std::min(mine.size(), lane.offsets.size());
         ++i) {
      const auto& p = *mine[i];
      if (p.retired)
        continue;
      auto known = log(p.topic, p.source.number);
      if (auto kind = judge(p, lane.offsets[i], known))
        result.push_back(
          {lane.lane, p.topic, p.source, *kind, offset{lane.offsets[i]},
           known.topic == p.source.topic ? known.range : std::nullopt});
    }
  }
  std::ranges::stable_sort(result, {}, [](const log_loss& l) {
    return std::tuple{l.topic, l.source.number, l.lane};
  });
  return result;
}

std::vector<lost_range> ranges_of(const std::vector<log_loss>& losses) {
  std::vector<lost_range> result;
  for (const auto& x : losses) {
    if (x.kind != loss_kind::expired)
      continue;
    auto known = std::ranges::any_of(result, [&x](const lost_range& r) {
      return r.pipeline == x.lane.pipeline && r.source == x.source;
    });
    if (!known)
      result.push_back({x.lane.pipeline, x.topic, x.source, x.log->from});
  }
  return result;
}

std::string losses_text(const std::vector<log_loss>& losses) {
  std::vector<std::vector<std::string>> rows{
    {"TOPIC", "PARTITION", "LANE", "WANTED", "LOWEST", "WHAT"}};
  for (const auto& x : losses)
    rows.push_back({x.topic, std::to_string(x.source.number.value),
                    to_string(x.lane), std::to_string(x.wanted.value),
                    x.log ? std::to_string(x.log->from.value) : "-",
                    std::string{to_string(x.kind)}});
  return table_text(rows);
}

} // namespace millrace::cli
