#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace millrace::cli {

/// Turns the first SIGINT or SIGTERM into a request to stop; a second one ends
/// the process as if nobody had listened. Make it before other threads, which
/// inherit that these signals are blocked.
class signal_stop {
public:
  signal_stop();

  /// Signals act as before again.
  ~signal_stop();

  signal_stop(const signal_stop&) = delete;
  signal_stop& operator=(const signal_stop&) = delete;

  std::stop_token token() const {
    return source_.get_token();
  }

private:
  void watch(const std::stop_token& over);

  sigset_t mask_{};
  sigset_t before_{};
  std::stop_source source_;
  std::jthread thread_;
};

} // namespace millrace::cli
