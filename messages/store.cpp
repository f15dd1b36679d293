#include "messages/store.hpp"

namespace millrace {

std::string to_string(store_errc x) {
  switch (x) {
    case store_errc::overloaded:
      return "overloaded";
    case store_errc::unavailable:
      return "unavailable";
    case store_errc::retry:
      return "retry";
    case store_errc::back_off:
      return "back_off";
    case store_errc::refused:
      return "refused";
    case store_errc::no_lane:
      return "no_lane";
    case store_errc::lane_inactive:
      return "lane_inactive";
    case store_errc::no_partition:
      return "no_partition";
    case store_errc::misconfigured:
      return "misconfigured";
    case store_errc::failed:
      return "failed";
    case store_errc::other_map:
      return "other_map";
    case store_errc::no_start:
      return "no_start";
  }
  return "unknown";
}

bool from_integer(uint8_t raw, store_errc& x) {
  if (raw < 1 || raw > static_cast<uint8_t>(store_errc::no_start))
    return false;
  x = static_cast<store_errc>(raw);
  return true;
}

bool from_string(std::string_view text, store_errc& x) {
  for (uint8_t raw = 1; from_integer(raw, x); ++raw)
    if (to_string(x) == text)
      return true;
  return false;
}

} // namespace millrace
