#include "actors/lane/orphan_watch.hpp"

namespace millrace {

bool orphan_watch::found(const std::map<slot, offset>& firsts) {
  for (const auto& [at, first] : firsts) {
    auto& x = first_[at];
    x.flushes = x.at == first ? x.flushes + 1 : 0;
    x.at = first;
    if (x.flushes >= most) {
      first_.erase(at);
      return true;
    }
  }
  return false;
}

} // namespace millrace
