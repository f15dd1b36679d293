#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace millrace {

struct http_request {
  std::string path;

  /// Parameters of the query, decoded; of two with one name, the first.
  std::map<std::string, std::string> query;
};

struct http_response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct http_config {
  /// Loopback unless `allow_remote`: the pages need no password.
  std::string host = "127.0.0.1";

  /// 0: any free port; `http_server::port` tells which.
  uint16_t port = 0;

  bool allow_remote = false;

  /// Each request holds one; connections are not kept alive.
  std::size_t threads = 4;

  /// Connections beyond this wait nowhere: they are closed.
  std::size_t max_queued = 64;

  /// For reading a request and for writing its answer, each.
  std::chrono::milliseconds timeout{2'000};
};

/// A small HTTP/1.1 server with threads of its own. GET and HEAD only. Bounded
/// in every way: threads, queue, header sizes, body size, time.
///
/// On a loopback address it answers only requests whose Host names a loopback
/// address, so that no web page can read it by way of the user's browser.
class http_server {
public:
  using handler = std::function<http_response(const http_request&)>;

  explicit http_server(http_config config);

  /// Stops.
  ~http_server();

  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Before `start` only. Handlers run in several threads at once; what they
  /// throw becomes a 500 without details, and a line in the log.
  void get(const std::string& path, handler what);

  /// Binds and serves. Throws std::runtime_error that says what to mend.
  void start();

  /// The port that is bound. 0 before `start`.
  uint16_t port() const noexcept;

  /// Takes no more requests and waits for those that run.
  void stop();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace millrace
