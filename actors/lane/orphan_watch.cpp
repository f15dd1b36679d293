#include "actors/lane/orphan_watch.hpp"

namespace millrace {

bool orphan_watch::found(const std::map<slot, offset>& firsts) {
  for (const auto& [at, first] : firsts) {
    auto& x = first_.try_emplace(at, orphan{first, first, -1}).first->second;
    // An earlier one lacks what the flush had to leave behind for this one.
    if (first < x.at)
      continue;
    x.flushes = x.at == first ? x.flushes + 1 : 0;
    x.at = first;
    if (x.flushes >= most) {
      first_.erase(at);
      return true;
    }
  }
  return false;
}

bool orphan_watch::passed(slot at, offset to) {
  auto x = first_.find(at);
  if (x == first_.end() || x->second.since >= to)
    return false;
  if (x->second.at < to)
    first_.erase(x);
  else
    x->second.since = x->second.at;
  return true;
}

} // namespace millrace
