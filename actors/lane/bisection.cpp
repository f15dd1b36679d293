#include "actors/lane/bisection.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// The part as far as it is below the bound of its slot.
batch_part bounded(batch_part x, const std::map<slot, offset>& below) {
  auto bound = below.find(x.at);
  x.to = bound == below.end() ? x.from : std::min(x.to, bound->second);
  return x;
}

} // namespace

std::vector<int64_t> events_with_rows(const batch_part& x) {
  std::vector<int64_t> result;
  for (const auto& block : x.data->blocks) {
    auto first = std::ranges::lower_bound(block.offsets, x.from.value);
    auto last = std::ranges::lower_bound(block.offsets, x.to.value);
    if (first < last)
      result.insert(result.end(), first, last);
  }
  std::ranges::sort(result);
  auto [first, last] = std::ranges::unique(result);
  result.erase(first, last);
  return result;
}

bisection::verdict bisection::narrow(std::span<const batch_part> flown,
                                     std::span<const event> known) {
  verdict result;
  below_.clear();
  for (const auto& x : flown) {
    auto events = events_with_rows(x);
    if (!known.empty())
      std::erase_if(events, [&](int64_t number) {
        return std::ranges::contains(known, event{x.at, offset{number}});
      });
    if (events.empty())
      continue;
    result.events += events.size();
    result.at = x.at;
    result.last = offset{events.back()};
    below_[x.at] = result.last + 1;
  }
  return result;
}

std::optional<queue_prefix> bisection::next(std::span<const batch_part> queue) {
  std::size_t suspects = 0;
  for (const auto& x : queue)
    suspects += events_with_rows(bounded(x, below_)).size();
  if (suspects == 0) {
    clear();
    return std::nullopt;
  }
  auto left = std::max<std::size_t>(1, suspects / 2);
  for (std::size_t i = 0; i < queue.size(); ++i) {
    auto events = events_with_rows(bounded(queue[i], below_));
    if (left > events.size()) {
      left -= events.size();
      continue;
    }
    queue_prefix result{i, std::nullopt};
    auto last = offset{events[left - 1]};
    // Nothing but rejects behind it: not worth a cut.
    if (events_with_rows({queue[i].data, queue[i].at, last + 1, queue[i].to})
          .empty())
      ++result.whole;
    else
      result.cut = last + 1;
    return result;
  }
  return std::nullopt;
}

} // namespace millrace
