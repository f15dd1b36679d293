#include "messages/lane_row.hpp"

namespace millrace {

std::string to_string(lane_state x) {
  switch (x) {
    case lane_state::active:
      return "active";
    case lane_state::parked:
      return "parked";
    case lane_state::halted:
      return "halted";
  }
  return "unknown";
}

std::optional<lane_state> parse_lane_state(std::string_view text) {
  for (auto x : {lane_state::active, lane_state::parked, lane_state::halted})
    if (to_string(x) == text)
      return x;
  return std::nullopt;
}

} // namespace millrace
