#pragma once

#include <chrono>

namespace millrace {

/// Takes SIGTERM, SIGINT and SIGHUP out of the way of all threads that start
/// after it and hands them to whoever waits. The process ignores SIGPIPE from
/// then on: a closed socket is an error code, not a death.
class signal_watch {
public:
  signal_watch();

  /// Whether a first signal has come. Looks without waiting.
  bool stop_requested();

  /// Whether SIGHUP has come since the last call. Looks without waiting.
  bool take_reload();

  /// Waits for a signal, at most this long.
  void wait(std::chrono::milliseconds patience);

  /// From now on a further signal ends the process at once, with the code that
  /// shells expect (128 + signal).
  void second_signal_ends_process();

private:
  bool stop_ = false;
  bool reload_ = false;
};

} // namespace millrace
