#pragma once

#include "actors/source/kafka.hpp"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <utility>

namespace millrace {

/// Finds partitions that a consumer group has given to nobody. Pure.
///
/// Cooperative members share out in two steps: who has too much gives it up and
/// asks for the second one, in which somebody gets it. Who ends between the two
/// and comes back under its name is given what it had, and does not ask; the
/// partition is nobody's until something else changes the group. So may one be
/// that a topic has got.
class share_watch {
public:
  /// What the group's coordinator tells, and what there is to be read. Returns
  /// whether node `me` is to ask for another sharing out: the group stands
  /// still, twice running the same partition was nobody's, and of the members
  /// that one is the first by name.
  bool look(const kafka_group_shares& told,
            std::span<const kafka_partition> readable, std::string_view me) {
    std::set<kafka_partition> nobodys;
    if (told.stable) {
      nobodys.insert(readable.begin(), readable.end());
      for (const auto& x : told.taken)
        nobodys.erase(x);
    }
    auto before = std::exchange(nobodys_, std::move(nobodys));
    auto again = std::ranges::any_of(nobodys_, [&before](const auto& x) {
      return before.contains(x);
    });
    if (!again || told.members.empty() || std::ranges::min(told.members) != me)
      return false;
    // The next one takes as long to be noticed.
    nobodys_.clear();
    return true;
  }

private:
  std::set<kafka_partition> nobodys_;
};

} // namespace millrace
