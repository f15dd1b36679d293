#include "actors/lane/parent_patience.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

constexpr std::chrono::milliseconds first_pause{100};

/// After that a lane without hope tries its luck once more.
constexpr std::chrono::seconds despair{60};

} // namespace

bool parent_patience::hopes(clock::time_point now) noexcept {
  if (hope_ == 0 && now >= again_)
    hope_ = 1;
  return hope_ > 0;
}

void parent_patience::disappointed(clock::time_point now) noexcept {
  tries_ = 0;
  hope_ = std::max(hope_ - 1, 0);
  again_ = now + despair;
}

std::optional<std::chrono::milliseconds>
parent_patience::refused(clock::time_point now) {
  if (hopes(now) && tries_ < hope_)
    return first_pause * (1 << tries_++);
  if (tries_ > 0)
    disappointed(now);
  return std::nullopt;
}

void parent_patience::committed() noexcept {
  if (std::exchange(tries_, 0) > 0)
    hope_ = most;
}

} // namespace millrace
