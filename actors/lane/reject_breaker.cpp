#include "actors/lane/reject_breaker.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

bool reject_breaker::would_trip(const reject_tally& x) const noexcept {
  if (x.rejects == 0)
    return false;
  auto all = seen(x);
  return static_cast<double>(all.rejects)
         > ratio_ * static_cast<double>(std::max(window, all.events));
}

void reject_breaker::count(const reject_tally& x, const std::string& first) {
  newer_.sum.events += x.events;
  newer_.sum.rejects += x.rejects;
  if (x.rejects > 0 && newer_.first.empty())
    newer_.first = first;
  if (newer_.sum.events >= window)
    older_ = std::exchange(newer_, {});
}

void reject_breaker::clear() noexcept {
  older_ = newer_ = {};
}

reject_tally reject_breaker::seen(const reject_tally& more) const noexcept {
  return {older_.sum.events + newer_.sum.events + more.events,
          older_.sum.rejects + newer_.sum.rejects + more.rejects};
}

} // namespace millrace
