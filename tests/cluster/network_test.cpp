// Two actor systems in one process, connected over the loopback.

#include "actors/cluster/caf_runtime.hpp"
#include "actors/cluster/network.hpp"
#include "tests/support/message_types.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>

#include <unistd.h>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

const bool network_types_ready = [] {
  init_network_types();
  return true;
}();

/// Free a moment ago.
uint16_t free_port() {
  auto fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* raw = static_cast<sockaddr*>(static_cast<void*>(&address));
  auto bound = ::bind(fd, raw, size) == 0 && ::getsockname(fd, raw, &size) == 0;
  ::close(fd);
  REQUIRE(bound);
  return ntohs(address.sin_port);
}

/// A node with nothing but its network.
struct node {
  caf_runtime runtime{caf_config{.threads = 2, .network = network_config{}}};
  caf::scoped_actor self{runtime.system()};
  network_actor network;

  node() {
    network = spawn_network(&*self);
  }

  ~node() {
    self->send_exit(network, caf::exit_reason::user_shutdown);
  }

  caf::actor adder(int n) {
    return caf::actor{
      self->spawn([n](caf::event_based_actor*) -> caf::behavior {
        return {[n](int x) { return x + n; }};
      })};
  }

  bool publish(uint16_t port, const caf::actor& who) {
    auto result = false;
    self->request(network, 20s, caf::publish_atom_v, "127.0.0.1", port, who)
      .receive([&](uint16_t got) { result = got == port; },
               [](const caf::error&) {});
    return result;
  }

  caf::actor connect(uint16_t port) {
    caf::actor result;
    self->request(network, 20s, caf::connect_atom_v, "127.0.0.1", port)
      .receive([&](const caf::actor& who) { result = who; },
               [](const caf::error&) {});
    return result;
  }

  int ask(const caf::actor& who, int x) {
    auto result = -1;
    self->request(who, 20s, x)
      .receive([&](int got) { result = got; }, [](const caf::error&) {});
    return result;
  }

  void end(const caf::actor& who) {
    self->monitor(who);
    self->send_exit(who, caf::exit_reason::kill);
    self->receive([](const caf::down_msg&) {});
  }
};

} // namespace

TEST_CASE("a node finds what another one published, also after that started "
          "again at the same port") {
  node one;
  node two;
  auto port = free_port();
  CHECK_FALSE(one.connect(port));
  auto first = two.adder(1);
  REQUIRE(two.publish(port, first));
  auto seen = one.connect(port);
  REQUIRE(seen);
  CHECK(seen.node() == two.runtime.system().node());
  CHECK(one.ask(seen, 40) == 41);
  one.self->monitor(seen);
  two.end(first);
  auto down = false;
  one.self->receive([&](const caf::down_msg&) { down = true; },
                    caf::after(20s) >> [] {});
  CHECK(down);
  auto second = two.adder(2);
  REQUIRE(two.publish(port, second));
  auto again = one.connect(port);
  REQUIRE(again);
  CHECK(one.ask(again, 40) == 42);
  two.end(second);
}

TEST_CASE("a port that somebody else has is not published") {
  node one;
  node two;
  auto port = free_port();
  auto first = one.adder(1);
  auto second = two.adder(2);
  REQUIRE(one.publish(port, first));
  CHECK_FALSE(two.publish(port, second));
  one.end(first);
  two.end(second);
}

TEST_CASE("a certificate that cannot be read is refused before anything "
          "starts") {
  caf_config config;
  config.network = network_config{network_tls{"/no/cert", "/no/key", "/no/ca"}};
  auto wrong = validate(config);
  REQUIRE(wrong);
  CHECK(wrong->contains("/no/cert"));
  CHECK_THROWS_AS(caf_runtime{config}, std::invalid_argument);
}
