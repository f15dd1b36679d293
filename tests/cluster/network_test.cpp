// Two actor systems in one process, connected over the loopback.

#include "actors/cluster/caf_runtime.hpp"
#include "actors/cluster/network.hpp"
#include "tests/cluster/relay.hpp"
#include "tests/support/message_types.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <functional>
#include <stdexcept>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const bool network_types_ready = [] {
  init_network_types();
  return true;
}();

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

  void disconnect(node& other) {
    self
      ->request(network, 20s, caf::close_atom_v, other.runtime.system().node())
      .receive([] {}, [](const caf::error& why) { FAIL(to_string(why)); });
  }

  int ask(const caf::actor& who, int x, std::chrono::seconds patience = 20s) {
    auto result = -1;
    self->request(who, patience, x)
      .receive([&](int got) { result = got; }, [](const caf::error&) {});
    return result;
  }

  void end(const caf::actor& who) {
    self->monitor(who);
    self->send_exit(who, caf::exit_reason::kill);
    self->receive([](const caf::down_msg&) {});
  }

  /// Once `what` has happened to somebody who was reached.
  bool hears_of_the_end(const caf::actor& who,
                        const std::function<void()>& what) {
    self->monitor(who);
    what();
    auto result = false;
    self->receive([&](const caf::down_msg&) { result = true; },
                  caf::after(20s) >> [] {});
    return result;
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
  CHECK(one.hears_of_the_end(seen, [&] { two.end(first); }));
  auto second = two.adder(2);
  REQUIRE(two.publish(port, second));
  // CAF remembers what is where, and hears of the end when we do.
  auto again = one.connect(port);
  while (again == seen)
    again = one.connect(port);
  REQUIRE(again);
  CHECK(one.ask(again, 40) == 42);
  two.end(second);
}

TEST_CASE("a node whose peer has not noticed yet that their connection is lost "
          "reaches it by another one, once that is closed") {
  node one;
  node two;
  auto port = free_port();
  auto first = two.adder(1);
  REQUIRE(two.publish(port, first));
  relay wire{port};
  auto seen = one.connect(wire.port());
  REQUIRE(seen);
  CHECK(one.ask(seen, 40) == 41);
  CHECK(one.hears_of_the_end(seen, [&] { wire.lose_near_end(); }));
  // CAF answers by the connection that it knows.
  CHECK(one.ask(one.connect(wire.port()), 40, 1s) == -1);
  wire.lose_far_end();
  auto answer = -1;
  for (int i = 0; i < 20 && answer < 0; ++i) {
    one.disconnect(two);
    answer = one.ask(one.connect(wire.port()), 40, 1s);
  }
  CHECK(answer == 41);
  two.end(first);
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
