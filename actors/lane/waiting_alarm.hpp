#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace millrace {

/// Says when a lane's waiting events come near to where they become dead
/// letters: four fifths of the events, bytes or time that they have. Once, and
/// again only after all three were below a half. Pure.
class waiting_alarm {
public:
  waiting_alarm(std::size_t max_events, int64_t max_bytes,
                std::chrono::milliseconds keep) noexcept;

  /// Whether there is something to tell now. `oldest`: how long the first of
  /// them has waited.
  bool look(std::size_t events, int64_t bytes,
            std::chrono::milliseconds oldest) noexcept;

private:
  std::size_t max_events_;
  int64_t max_bytes_;
  std::chrono::milliseconds keep_;
  bool told_ = false;
};

} // namespace millrace
