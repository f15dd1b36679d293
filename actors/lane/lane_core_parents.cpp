// The fourth part of a lane's core: what it writes while parents of other
// events are on their way (protocol.md, section 4).

#include "actors/lane/invariant.hpp"
#include "actors/lane/lane_core.hpp"
#include "actors/lane/mutation.hpp"

#include <algorithm>

namespace millrace {

orphan_verdict
lane_core::flush_before_orphans(const std::vector<missing_write>& which) {
  require(phase_ == phase::flying && row_ && !retrying_,
          "orphans are those of a flight of batches");
  auto found = first_orphans(which);
  if (found.empty())
    return orphan_verdict::nothing;
  if (orphans_.found(found))
    return orphan_verdict::stuck;
  // What stayed behind in this flight still does.
  auto ends = ends_;
  for (const auto& [at, first] : found) {
    auto& end = ends.try_emplace(at, first).first->second;
    end = std::min(end, first);
  }
  if (!may_fly(ends))
    return orphan_verdict::nothing;
  pace_.lacked_parents(flown_bytes());
  phase_ = phase::ready;
  land();
  ends_ = std::move(ends);
  return orphan_verdict::some;
}

/// By partition.
std::map<slot, offset>
lane_core::first_orphans(const std::vector<missing_write>& which) const {
  std::map<slot, offset> result;
  for (const auto& x : which) {
    if (x.source >= flying_.size())
      continue;
    auto& first = result.try_emplace(flying_[x.source].at, x.at).first->second;
    first = std::min(first, x.at);
  }
  return result;
}

std::vector<missing_write>
lane_core::firsts_of(const std::vector<missing_write>& which) const {
  auto firsts = first_orphans(which);
  std::vector<missing_write> result;
  for (const auto& x : which)
    if (x.source < flying_.size() && firsts.at(flying_[x.source].at) == x.at)
      result.push_back(x);
  return result;
}

bool lane_core::may_fly(const std::map<slot, offset>& ends) const {
  auto flies = [&](const queued& x) {
    auto end = ends.find(x.at);
    return end == ends.end() || start_of(x) < end->second;
  };
  return std::ranges::any_of(flying_, flies)
         || std::ranges::any_of(queue_, flies);
}

/// What is left of the batch begins here.
offset lane_core::start_of(const queued& x) const {
  return std::max({x.trim_below, row_->effective(x.at), x.data->range.from});
}

/// Where the batch has to end in the next flush, if anywhere.
std::optional<offset> lane_core::end_of(const queued& x) const {
  auto end = ends_.find(x.at);
  if (end == ends_.end()
      || (broken(mutation::orphan_overtaken)
          && end->second < x.data->range.from))
    return std::nullopt;
  return end->second;
}

} // namespace millrace
