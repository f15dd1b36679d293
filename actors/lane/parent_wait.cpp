#include "actors/lane/parent_wait.hpp"

#include <utility>

namespace millrace {

std::optional<std::chrono::milliseconds>
parent_wait::refused(lane_core& core, lane_core::missing_writes& missing,
                     clock::time_point now) {
  constexpr std::chrono::milliseconds at_once{0};
  if (core.bisecting() || core.flies_waiting())
    return std::nullopt;
  if (std::exchange(gave_up_, false)) {
    missing = core.firsts_of(missing);
    return std::nullopt;
  }
  if (!patience_.hopes(now))
    return std::nullopt;
  auto verdict = core.flush_before_orphans(missing);
  if (verdict == orphan_verdict::some)
    return at_once;
  if (verdict == orphan_verdict::stuck) {
    patience_.disappointed(now);
  } else if (auto pause = patience_.refused(now)) {
    core.retry();
    return pause;
  }
  // Some of them lack no more than what the flush left behind: a whole one
  // tells which do.
  if (core.flies_before_orphans()) {
    gave_up_ = true;
    core.retry();
    return at_once;
  }
  missing = core.firsts_of(missing);
  return std::nullopt;
}

void parent_wait::committed(lane_core& core, std::chrono::microseconds took) {
  auto parts = core.flies_before_orphans();
  auto waiting = core.flies_waiting();
  core.committed(took);
  if (!waiting && (!parts || core.passed_orphan()))
    patience_.committed();
  gave_up_ = gave_up_ && waiting;
}

} // namespace millrace
