#include "tests/cluster/relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <system_error>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace millrace::test {

namespace {

[[noreturn]] void fail(const char* doing) {
  throw std::system_error{errno, std::generic_category(), doing};
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  result.sin_port = htons(port);
  return result;
}

sockaddr* raw(sockaddr_in& x) {
  return static_cast<sockaddr*>(static_cast<void*>(&x));
}

int new_socket() {
  auto result = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (result < 0)
    fail("socket");
  return result;
}

/// Of a socket that is bound to any.
uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (::getsockname(socket, raw(address), &size) != 0)
    fail("getsockname");
  return ntohs(address.sin_port);
}

int bound_socket() {
  auto result = new_socket();
  auto address = loopback(0);
  if (::bind(result, raw(address), sizeof(address)) != 0)
    fail("bind");
  return result;
}

int connected_socket(uint16_t to) {
  auto result = new_socket();
  auto address = loopback(to);
  if (::connect(result, raw(address), sizeof(address)) != 0) {
    ::close(result);
    return -1;
  }
  return result;
}

bool readable(int socket, std::chrono::milliseconds patience = {}) {
  pollfd x{.fd = socket, .events = POLLIN, .revents = 0};
  return ::poll(&x, 1, static_cast<int>(patience.count())) > 0;
}

/// False at the end of one of the two.
bool move_bytes(int from, int to) {
  std::array<char, 65'536> buffer;
  auto n = ::recv(from, buffer.data(), buffer.size(), 0);
  if (n <= 0)
    return false;
  std::span rest{buffer.data(), static_cast<std::size_t>(n)};
  while (!rest.empty()) {
    auto sent = ::send(to, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    rest = rest.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

void close_end(int& socket) {
  if (socket >= 0)
    ::close(std::exchange(socket, -1));
}

} // namespace

relay::relay(uint16_t to) : to_{to}, listener_{bound_socket()} {
  if (::listen(listener_, 8) != 0)
    fail("listen");
  port_ = port_of(listener_);
  worker_ = std::thread{[this] { run(); }};
}

relay::~relay() {
  over_ = true;
  worker_.join();
  lose_near_end();
  lose_far_end();
  close_end(listener_);
}

void relay::lose_near_end() {
  std::lock_guard guard{mutex_};
  for (auto& x : wires_)
    close_end(x.near);
}

void relay::lose_far_end() {
  std::lock_guard guard{mutex_};
  for (auto& x : wires_)
    if (x.near < 0)
      close_end(x.far);
  std::erase_if(wires_, [](const wire& x) { return x.far < 0; });
}

void relay::run() {
  while (!over_) {
    auto called = readable(listener_, std::chrono::milliseconds{2});
    std::lock_guard guard{mutex_};
    if (called) {
      auto near = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      wires_.push_back({near, connected_socket(to_)});
    }
    pass_on();
  }
}

void relay::pass_on() {
  for (auto& x : wires_) {
    if (x.near < 0)
      continue;
    auto goes_on = x.far >= 0;
    if (goes_on && readable(x.near))
      goes_on = move_bytes(x.near, x.far);
    if (goes_on && readable(x.far))
      goes_on = move_bytes(x.far, x.near);
    if (!goes_on) {
      close_end(x.near);
      close_end(x.far);
    }
  }
  std::erase_if(wires_, [](const wire& x) { return x.near < 0 && x.far < 0; });
}

uint16_t free_port() {
  auto socket = bound_socket();
  auto result = port_of(socket);
  ::close(socket);
  return result;
}

} // namespace millrace::test
