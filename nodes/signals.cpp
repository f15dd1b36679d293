#include "nodes/signals.hpp"

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include <pthread.h>

namespace millrace {

namespace {

sigset_t stop_signals() {
  sigset_t result;
  sigemptyset(&result);
  sigaddset(&result, SIGTERM);
  sigaddset(&result, SIGINT);
  return result;
}

sigset_t watched_signals() {
  auto result = stop_signals();
  sigaddset(&result, SIGHUP);
  return result;
}

} // namespace

signal_watch::signal_watch() {
  std::signal(SIGPIPE, SIG_IGN);
  auto set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool signal_watch::stop_requested() {
  wait(std::chrono::milliseconds{0});
  return stop_;
}

bool signal_watch::take_reload() {
  wait(std::chrono::milliseconds{0});
  return std::exchange(reload_, false);
}

void signal_watch::wait(std::chrono::milliseconds patience) {
  if (stop_)
    return;
  auto set = watched_signals();
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(patience.count() / 1'000);
  limit.tv_nsec = static_cast<long>(patience.count() % 1'000) * 1'000'000;
  auto got = sigtimedwait(&set, nullptr, &limit);
  if (got == SIGHUP)
    reload_ = true;
  else if (got > 0)
    stop_ = true;
}

void signal_watch::second_signal_ends_process() {
  for (auto x : {SIGTERM, SIGINT})
    std::signal(x, [](int got) { std::_Exit(128 + got); });
  auto set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

} // namespace millrace
