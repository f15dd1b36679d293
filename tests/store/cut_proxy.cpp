#include "tests/store/cut_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <stdexcept>

#include <poll.h>
#include <unistd.h>

namespace millrace::test {

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

} // namespace

cut_proxy::cut_proxy(uint16_t server_port)
  : server_port_{server_port},
    listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  auto address = loopback(0);
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 16) != 0
      || ::getsockname(listener_, raw, &size) != 0)
    throw std::runtime_error("the proxy cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread{[this] { accept_loop(); }};
}

cut_proxy::~cut_proxy() {
  stop_ = true;
  acceptor_.join();
  threads_.clear();
  ::close(listener_);
}

void cut_proxy::on_client(proxy_filter f) {
  std::lock_guard guard{mutex_};
  client_filter_ = std::move(f);
}

void cut_proxy::on_server(proxy_filter f) {
  std::lock_guard guard{mutex_};
  server_filter_ = std::move(f);
}

void cut_proxy::accept_loop() {
  while (!stop_) {
    pollfd event{listener_, POLLIN, 0};
    if (::poll(&event, 1, 20) != 1)
      continue;
    auto client = ::accept(listener_, nullptr, nullptr);
    if (client >= 0)
      threads_.emplace_back([this, client] { serve(client); });
  }
}

void cut_proxy::serve(int client) {
  auto server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(server_port_);
  auto open = ::connect(server, reinterpret_cast<sockaddr*>(&address),
                        sizeof(address))
              == 0;
  std::array<pollfd, 2> events{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
  std::array<bool, 2> held{};
  std::string buffer(1 << 16, '\0');
  while (open && !stop_) {
    ::poll(events.data(), events.size(), 20);
    for (std::size_t i = 0; i < events.size() && open; ++i) {
      if (events[i].revents == 0)
        continue;
      auto n = ::recv(events[i].fd, buffer.data(), buffer.size(), 0);
      if (n <= 0) {
        open = false;
        break;
      }
      std::string piece{buffer.data(), static_cast<std::size_t>(n)};
      auto act = proxy_act::forward;
      {
        std::lock_guard guard{mutex_};
        auto& filter = i == 0 ? client_filter_ : server_filter_;
        if (filter)
          act = filter(piece);
      }
      if (act == proxy_act::hold)
        held[i] = true;
      if (act == proxy_act::cut)
        open = false;
      else if (!held[i])
        open = send_all(events[1 - i].fd, piece);
    }
  }
  ::close(client);
  ::close(server);
}

} // namespace millrace::test
