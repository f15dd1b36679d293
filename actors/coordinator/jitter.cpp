#include "actors/coordinator/jitter.hpp"

#include <cstdint>
#include <random>

namespace millrace {

std::chrono::milliseconds jittered(std::chrono::milliseconds pause) {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<int64_t> pick{pause.count() / 2, pause.count()};
  return std::chrono::milliseconds{pick(random)};
}

} // namespace millrace
