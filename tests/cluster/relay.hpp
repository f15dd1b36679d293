#pragma once

// A wire between two nodes that can be lost at one end first, as it is when a
// node is frozen or cut off.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace::test {

/// Listens on a port of the loopback and hands everything on to another one.
/// Throws std::runtime_error when it cannot.
class relay {
public:
  explicit relay(uint16_t to);

  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

  ~relay();

  uint16_t port() const noexcept {
    return port_;
  }

  /// Whoever connected here loses all connections that there are. The other
  /// side hears nothing of it.
  void lose_near_end();

  /// Now it does.
  void lose_far_end();

private:
  struct wire {
    int near = -1;
    int far = -1;
  };

  void run();
  void pass_on();

  uint16_t to_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::mutex mutex_;
  std::vector<wire> wires_;
  std::atomic<bool> over_ = false;
  std::thread worker_;
};

/// Free a moment ago.
uint16_t free_port();

} // namespace millrace::test
