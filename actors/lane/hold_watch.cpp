#include "actors/lane/hold_watch.hpp"

#include <algorithm>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// A longer pause between two looks was ours, not a lane's.
constexpr auto longest_step = 1s;

constexpr double starving_share = 0.4;

/// Held time leaks away by one part in so many.
constexpr int leak = 4;

} // namespace

hold_watch::hold_watch(std::size_t lanes,
                       std::chrono::milliseconds detach_after)
  : detach_after_{detach_after},
    held_(lanes) {
}

void hold_watch::reset() {
  std::ranges::fill(held_, clock::duration::zero());
  last_ = {};
}

std::vector<std::size_t> hold_watch::judge(std::span<const lane_load> lanes,
                                           clock::time_point now) {
  std::vector<std::size_t> result;
  auto step = now - last_;
  last_ = now;
  if (step > longest_step)
    return result;
  double total = 0;
  double starving = 0;
  bool others_go_on = false;
  for (const auto& x : lanes) {
    if (!x.attached)
      continue;
    total += x.recent;
    if (x.idle)
      starving += x.recent;
    others_go_on = others_go_on || (!x.blocked && x.recent > 0);
  }
  auto is_starving = starving > 0 && starving >= starving_share * total;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const auto& x = lanes[i];
    auto& held = held_[i];
    if (x.attached && x.blocked && is_starving)
      // What is detached now is soon detached again, if it does not mend.
      held = std::min<clock::duration>(held + step, detach_after_);
    else
      held = std::max(held - step / leak, clock::duration::zero());
    if (x.attached && x.blocked && others_go_on
        && (held >= detach_after_ || is_stuck(lanes, i, now)))
      result.push_back(i);
  }
  return result;
}

bool hold_watch::is_stuck(std::span<const lane_load> lanes, std::size_t i,
                          clock::time_point now) const {
  auto since = lanes[i].waits_since;
  if (lanes[i].idle || now - since < detach_after_)
    return false;
  return std::ranges::any_of(lanes, [&](const lane_load& other) {
    return other.attached && !other.blocked && other.acked_at > since
           && (other.idle || other.acked_at - since >= detach_after_ / 2);
  });
}

} // namespace millrace
