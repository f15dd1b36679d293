#include "actors/cluster/restart_policy.hpp"

#include <algorithm>

namespace millrace {

namespace {

using std::chrono::milliseconds;

/// A tenant of thousands of lanes counts a lost POOL once per lane.
constexpr std::size_t most_restarts = 1'000'000;

/// The delay after that many failures in a row, before chance.
milliseconds full_delay(const backoff_config& config, int failures) {
  auto result = config.initial;
  for (auto i = 0; i < failures && result < config.max; ++i)
    result *= 2;
  return std::min(result, config.max);
}

} // namespace

std::optional<std::string> validate(const backoff_config& backoff,
                                    const restart_limit& limit) {
  constexpr auto longest = std::chrono::hours{24};
  if (backoff.initial.count() <= 0)
    return "backoff.initial must be positive";
  if (backoff.max < backoff.initial)
    return "backoff.max must not be shorter than backoff.initial";
  if (backoff.max > longest)
    return "backoff.max must not exceed a day";
  // Written so that NaN is refused, too.
  if (!(backoff.jitter >= 0 && backoff.jitter <= 1))
    return "backoff.jitter must be between 0 and 1";
  if (backoff.healthy_after.count() <= 0)
    return "backoff.healthy_after must be positive";
  if (limit.max_restarts == 0 || limit.max_restarts > most_restarts)
    return "limit.max_restarts must be between 1 and 1000000";
  if (limit.window.count() <= 0)
    return "limit.window must be positive";
  auto sum = milliseconds{0};
  for (auto i = 0; i < static_cast<int>(limit.max_restarts); ++i)
    sum += full_delay(backoff, i);
  if (sum >= limit.window)
    return "limit.window must be longer than the delays of "
           "limit.max_restarts restarts, else the limit is never reached";
  return std::nullopt;
}

milliseconds backoff::next(restart_clock::duration lived,
                           std::mt19937_64& chance) {
  if (lived >= config_.healthy_after)
    failures_ = 0;
  auto full = full_delay(config_, failures_);
  // Once at the maximum, counting on would only overflow.
  if (full < config_.max)
    ++failures_;
  auto most = static_cast<double>(full.count()) * config_.jitter;
  auto draw = std::uniform_real_distribution<double>{0.0, 1.0}(chance);
  return full - milliseconds{static_cast<int64_t>(most * draw)};
}

bool restart_window::admit(restart_clock::time_point now) {
  while (!times_.empty() && now - times_.front() >= limit_.window)
    times_.pop_front();
  if (times_.size() >= limit_.max_restarts)
    return false;
  times_.push_back(now);
  return true;
}

} // namespace millrace
