// What anybody on this machine may send to the admin port.

#include "actors/admin/http_server.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <string>

#include <unistd.h>

using namespace millrace;
using namespace millrace::fuzz;

namespace {

http_server& the_server() {
  static http_server result{{.host = "127.0.0.1",
                             .port = 0,
                             .allow_remote = false,
                             .threads = 1,
                             .max_queued = 4,
                             .timeout = std::chrono::milliseconds{100}}};
  static const bool started = [] {
    auto echo = [](const http_request& request) {
      http_response answer;
      for (const auto& [name, value] : request.query)
        answer.body += name + '=' + value + '\n';
      return answer;
    };
    result.get("/", echo);
    result.get("/echo", echo);
    // libFuzzer's clock would break calls off, in all threads from here on. The
    // limit below is there instead.
    sigset_t clock;
    sigemptyset(&clock);
    sigaddset(&clock, SIGALRM);
    require(pthread_sigmask(SIG_BLOCK, &clock, nullptr) == 0);
    result.start();
    return true;
  }();
  static_cast<void>(started);
  return result;
}

/// All that comes back until the server hangs up. It must.
std::string answer_to(std::string_view request) {
  auto at = ::socket(AF_INET, SOCK_STREAM, 0);
  require(at >= 0);
  timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(at, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(the_server().port());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(::connect(at, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  static_cast<void>(::send(at, request.data(), request.size(), MSG_NOSIGNAL));
  ::shutdown(at, SHUT_WR);
  std::string result;
  char buffer[4'096];
  for (;;) {
    auto n = ::recv(at, buffer, sizeof(buffer), 0);
    require(n >= 0 || errno == ECONNRESET);
    if (n <= 0)
      break;
    result.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(at);
  return result;
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  auto answer = answer_to(text_of(data, size));
  require(answer.empty() || answer.starts_with("HTTP/1."));
  return 0;
}
