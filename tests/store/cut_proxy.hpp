#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace::test {

/// What the proxy does with a piece of what one side sent.
enum class proxy_act : uint8_t {
  forward,
  /// Drop it and close both connections.
  cut,
  /// Drop it and everything after it, but keep the connections.
  hold,
};

/// Looks at a piece, may change it. Messages of PostgreSQL are short enough
/// in these tests to come in one piece.
using proxy_filter = std::function<proxy_act(std::string&)>;

/// Stands between a client and a server on the loopback interface and injures
/// what passes. One connection at a time is enough, more are served too.
class cut_proxy {
public:
  explicit cut_proxy(uint16_t server_port);
  ~cut_proxy();
  cut_proxy(const cut_proxy&) = delete;
  cut_proxy& operator=(const cut_proxy&) = delete;

  uint16_t port() const noexcept {
    return port_;
  }

  void on_client(proxy_filter f);
  void on_server(proxy_filter f);

private:
  void accept_loop();
  void serve(int client);

  uint16_t server_port_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  proxy_filter client_filter_;
  proxy_filter server_filter_;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

} // namespace millrace::test
