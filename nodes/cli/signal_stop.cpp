#include "nodes/cli/signal_stop.hpp"

#include <ctime>

namespace millrace::cli {

namespace {

/// How late the end of the work may be noticed.
constexpr timespec glance{0, 20'000'000};

} // namespace

signal_stop::signal_stop() {
  sigemptyset(&mask_);
  sigaddset(&mask_, SIGINT);
  sigaddset(&mask_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &mask_, &before_);
  thread_ = std::jthread{[this](const std::stop_token& over) { watch(over); }};
}

signal_stop::~signal_stop() {
  thread_.request_stop();
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void signal_stop::watch(const std::stop_token& over) {
  while (!over.stop_requested()) {
    if (sigtimedwait(&mask_, nullptr, &glance) < 0)
      continue;
    source_.request_stop();
    // Whoever asks twice means at once: this thread takes what comes next.
    pthread_sigmask(SIG_UNBLOCK, &mask_, nullptr);
    return;
  }
}

} // namespace millrace::cli
