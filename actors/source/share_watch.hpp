#pragma once

#include "actors/source/kafka.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// Finds partitions that a consumer group has given to nobody. Pure.
///
/// Cooperative members share out in two steps: who has too much gives it up and
/// asks for the second one, in which somebody gets it. Who ends between the two
/// and comes back under its name is given what it had, and does not ask; the
/// partition is nobody's until something else changes the group.
class share_watch {
public:
  /// What the group's coordinator tells, and what there is to be read. Returns
  /// for what node `me` is to ask for another sharing out: the group stands
  /// still, this was nobody's twice running, and of the members that one is the
  /// first by name. Where that was of no use, the next one takes twice as many
  /// looks each time.
  std::vector<kafka_partition> look(const kafka_group_shares& told,
                                    std::span<const kafka_partition> readable,
                                    std::string_view me) {
    if (!told.stable) {
      nobodys_.clear();
      return {};
    }
    std::map<kafka_partition, int> now;
    for (const auto& x : readable)
      now.emplace(x, 1);
    for (const auto& x : told.taken)
      now.erase(x);
    for (auto& [which, looks] : now)
      if (auto before = nobodys_.find(which); before != nobodys_.end())
        looks += before->second;
    nobodys_ = std::move(now);
    if (nobodys_.empty())
      patience_ = at_first;
    std::vector<kafka_partition> result;
    if (told.members.empty() || std::ranges::min(told.members) != me)
      return result;
    for (const auto& [which, looks] : nobodys_)
      if (looks >= patience_)
        result.push_back(which);
    if (result.empty())
      return result;
    nobodys_.clear();
    patience_ = std::min(2 * patience_, at_most);
    return result;
  }

private:
  static constexpr int at_first = 2;
  static constexpr int at_most = 64;

  /// In how many looks running each was nobody's.
  std::map<kafka_partition, int> nobodys_;
  int patience_ = at_first;
};

} // namespace millrace
