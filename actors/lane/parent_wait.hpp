#pragma once

#include "actors/lane/lane_core.hpp"
#include "actors/lane/parent_patience.hpp"

#include <chrono>
#include <optional>

namespace millrace {

/// What a lane does while rows lack parents that may be on their way: what does
/// not need them goes first, then it pauses, and in the end it gives up (rule
/// 19). Pure; stands between a core and the shell around it.
class parent_wait {
public:
  using clock = parent_patience::clock;

  /// The core's flight was rolled back as `missing` lacks parents. After which
  /// pause to go on, perhaps none; or nothing: the flight is still on, and what
  /// is in `missing` by now is to be put aside.
  std::optional<std::chrono::milliseconds>
  refused(lane_core& core, lane_core::missing_writes& missing,
          clock::time_point now);

  /// The core's flight was committed; tells it so.
  void committed(lane_core& core, std::chrono::microseconds took = {});

private:
  parent_patience patience_;

  /// A whole flush is to tell what is not waited for any longer.
  bool gave_up_ = false;
};

} // namespace millrace
