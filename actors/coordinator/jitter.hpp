#pragma once

#include <chrono>

namespace millrace {

/// A random time between half of the pause and all of it: those who wait for
/// the same thing shall not come back at the same time.
std::chrono::milliseconds jittered(std::chrono::milliseconds pause);

} // namespace millrace
