#include "tests/admin/raw_http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <stdexcept>

#include <unistd.h>

namespace millrace::test {

raw_answer send_raw(uint16_t port, const std::string& bytes) {
  auto fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (connect(fd, std::bit_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    close(fd);
    throw std::runtime_error{"cannot connect"};
  }
  static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  std::string all;
  std::array<char, 4096> buffer{};
  for (;;) {
    auto n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0)
      break;
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(fd);
  raw_answer result;
  auto split = all.find("\r\n\r\n");
  if (all.starts_with("HTTP/1.1 ") && split != all.npos) {
    result.status = std::stoi(all.substr(9, 3));
    result.head = all.substr(0, split);
    result.body = all.substr(split + 4);
  }
  return result;
}

raw_answer get(uint16_t port, const std::string& target,
               const std::string& host) {
  return send_raw(port,
                  "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

} // namespace millrace::test
