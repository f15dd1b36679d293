#include "actors/admin/http_server.hpp"

#include "actors/cluster/log.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <format>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <httplib.h>

namespace millrace {

namespace {

bool is_loopback(std::string_view host) {
  constexpr std::array names{"localhost", "::1", "[::1]"};
  auto digits = host.find_first_not_of("0123456789.") == host.npos;
  return (digits && host.starts_with("127."))
         || std::ranges::find(names, host) != names.end();
}

/// `[::1]:80` → `[::1]`, `localhost:80` → `localhost`.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    auto end = host.find(']');
    return end == host.npos ? host : host.substr(0, end + 1);
  }
  return host.substr(0, host.find(':'));
}

void fill(httplib::Response& to, int status, std::string_view text) {
  to.status = status;
  to.set_content(std::string{text} + '\n', "text/plain; charset=utf-8");
}

std::string text_of(const std::exception_ptr& x) {
  try {
    std::rethrow_exception(x);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something unknown";
  }
}

/// The library shares ports between processes by default: two nodes on one
/// port would each answer half of the requests.
void socket_options(int socket) {
  auto on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

} // namespace

struct http_server::impl {
  explicit impl(http_config what) : config{std::move(what)} {
  }

  void prepare();
  void bind();

  http_config config;
  httplib::Server server;
  std::thread listener;
  uint16_t port = 0;
};

void http_server::impl::prepare() {
  server.new_task_queue = [threads = config.threads,
                           queued = config.max_queued] {
    return new httplib::ThreadPool(threads, queued);
  };
  server.set_socket_options(socket_options);
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(1);
  server.set_payload_max_length(64 * 1'024);
  server.set_read_timeout(config.timeout);
  server.set_write_timeout(config.timeout);
  auto guarded = is_loopback(config.host);
  server.set_pre_routing_handler(
    [guarded](const httplib::Request& request, httplib::Response& response) {
      using result = httplib::Server::HandlerResponse;
      if (request.method != "GET" && request.method != "HEAD") {
        response.set_header("Allow", "GET, HEAD");
        fill(response, 405, "only GET and HEAD");
        return result::Handled;
      }
      auto host = request.get_header_value("Host");
      if (guarded && !is_loopback(without_port(host))) {
        fill(response, 403, "the Host header names no loopback address");
        return result::Handled;
      }
      return result::Unhandled;
    });
  server.set_error_handler([](const httplib::Request&,
                              httplib::Response& response) {
    if (response.body.empty())
      fill(response, response.status, httplib::status_message(response.status));
  });
  server.set_exception_handler([](const httplib::Request& request,
                                  httplib::Response& response,
                                  std::exception_ptr failure) {
    log::error("admin-request-failed",
               {{"path", request.path}, {"reason", text_of(failure)}});
    fill(response, 500, "internal error; the log has more");
  });
}

void http_server::impl::bind() {
  if (!config.allow_remote && !is_loopback(config.host))
    throw std::runtime_error{std::format(
      "admin: refusing to listen on {}: it is no loopback address, and the "
      "pages need no password; bind to 127.0.0.1 or allow it on purpose",
      config.host)};
  if (config.port == 0) {
    auto bound = server.bind_to_any_port(config.host);
    if (bound <= 0)
      throw std::runtime_error{std::format(
        "admin: cannot listen on {}: no such local address", config.host)};
    port = static_cast<uint16_t>(bound);
    return;
  }
  if (!server.bind_to_port(config.host, config.port))
    throw std::runtime_error{std::format(
      "admin: cannot listen on {}:{}: the port is taken, or the address is "
      "not one of this machine's; port 0 takes any free one",
      config.host, config.port)};
  port = config.port;
}

http_server::http_server(http_config config)
  : impl_{std::make_unique<impl>(std::move(config))} {
}

http_server::~http_server() {
  stop();
}

void http_server::get(const std::string& path, handler what) {
  impl_->server.Get(path, [what
                           = std::move(what)](const httplib::Request& request,
                                              httplib::Response& response) {
    http_request asked;
    asked.path = request.path;
    for (const auto& [key, value] : request.params)
      asked.query.try_emplace(key, value);
    auto answer = what(asked);
    response.status = answer.status;
    response.set_header("Cache-Control", "no-store");
    response.set_header("X-Content-Type-Options", "nosniff");
    response.set_content(std::move(answer.body), answer.content_type);
  });
}

void http_server::start() {
  impl_->prepare();
  impl_->bind();
  impl_->listener
    = std::thread{[x = impl_.get()] { x->server.listen_after_bind(); }};
  impl_->server.wait_until_ready();
}

uint16_t http_server::port() const noexcept {
  return impl_->port;
}

void http_server::stop() {
  impl_->server.stop();
  if (impl_->listener.joinable())
    impl_->listener.join();
}

} // namespace millrace
