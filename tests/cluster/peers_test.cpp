#include "actors/cluster/peers.hpp"
#include "actors/cluster/router.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <caf/telemetry/gauge.hpp>

#include <catch2/catch_test_macros.hpp>

#include <map>
#include <memory>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

/// What is published where. Nothing is there while `cut`.
struct cable {
  std::map<uint16_t, caf::actor> ports;
  std::map<uint16_t, int> busy;
  int dials = 0;
  bool cut = false;

  /// Who connects gets somebody who says nothing.
  bool deaf = false;
  std::vector<caf::node_id> closed;
};

caf::behavior idler() {
  return {[](caf::ok_atom) {}};
}

/// As what is sent by a connection that only one side knows.
caf::behavior silent(caf::event_based_actor* self) {
  self->set_default_handler(caf::skip);
  return idler();
}

network_actor::behavior_type wire_up(network_actor::pointer self,
                                     std::shared_ptr<cable> net) {
  return {
    [net](caf::publish_atom, const std::string&, uint16_t port,
          const caf::actor& who) -> caf::result<uint16_t> {
      if (net->busy[port]-- > 0)
        return caf::make_error(caf::sec::cannot_open_port);
      net->ports[port] = who;
      return port;
    },
    [self, net](caf::connect_atom, const std::string&,
                uint16_t port) -> caf::result<caf::actor> {
      ++net->dials;
      if (net->deaf)
        return caf::actor{self->spawn(silent)};
      if (net->cut || !net->ports[port])
        return caf::make_error(caf::sec::cannot_connect_to_node);
      return net->ports[port];
    },
    [net](caf::close_atom, const caf::node_id& node) {
      net->closed.push_back(node);
      net->deaf = false;
    },
  };
}

using routes = std::map<lane_id, caf::actor>;

caf::behavior listener(std::shared_ptr<routes> log) {
  return {[log](const lane_route& x) { (*log)[x.lane] = x.writer; }};
}

/// Stands for a PEERS, and loses routes when told so.
caf::behavior leak(caf::event_based_actor* self, peers_actor to,
                   std::shared_ptr<bool> lose) {
  return {
    [=](peer_hello& x) { return self->delegate(to, std::move(x)); },
    [=](peer_routes& x) {
      if (!*lose)
        self->delegate(to, std::move(x));
    },
  };
}

/// Shards below 10 belong to node `a`, others to node `b`.
std::string owner(const lane_id& x) {
  return x.number.value < 10 ? "a" : "b";
}

lane_id lane(int32_t i) {
  return {"ticks", "demo", shard{i}};
}

/// One node: ROUTER, PEERS and a consumer that hears of routes.
struct node {
  std::string name;
  uint16_t port;
  router_actor router;
  caf::actor peers;
  caf::actor consumer;
  std::shared_ptr<routes> heard = std::make_shared<routes>();
  caf::telemetry::int_gauge connected;
};

struct peers_fixture : deterministic {
  std::shared_ptr<cable> net = std::make_shared<cable>();
  node a{.name = "a",
         .port = 1,
         .router = {},
         .peers = {},
         .consumer = {},
         .heard = std::make_shared<routes>(),
         .connected = {}};
  node b{.name = "b",
         .port = 2,
         .router = {},
         .peers = {},
         .consumer = {},
         .heard = std::make_shared<routes>(),
         .connected = {}};
  std::vector<caf::actor> all;

  ~peers_fixture() {
    for (const auto& x : all)
      self->send_exit(x, caf::exit_reason::user_shutdown);
    drain();
    net->ports.clear();
    a.heard->clear();
    b.heard->clear();
  }

  static peers_config settings(node& x, const node& other) {
    peers_config result;
    result.listen = "127.0.0.1";
    result.port = x.port;
    result.others = {{other.name, "127.0.0.1", other.port}};
    result.me.node = x.name;
    result.me.placement_fingerprint = 7;
    result.me.pipelines = {{"ticks", 99, 20}};
    result.owner = owner;
    result.connected = &x.connected;
    return result;
  }

  void start(node& x, peers_config config) {
    if (!x.router) {
      x.router = sys.spawn<router>();
      x.consumer = sys.spawn(listener, x.heard);
      all.push_back(caf::actor_cast<caf::actor>(x.router));
      all.push_back(x.consumer);
      self->send(x.router, caf::subscribe_atom_v, x.consumer);
    }
    x.peers = caf::actor_cast<caf::actor>(sys.spawn<millrace::peers>(
      std::move(config), x.router, sys.spawn(wire_up, net)));
    all.push_back(x.peers);
    drain();
  }

  void start_both() {
    start(a, settings(a, b));
    start(b, settings(b, a));
    advance(1s);
  }

  caf::actor write(node& x, int32_t number) {
    auto writer = sys.spawn(idler);
    all.push_back(writer);
    self->send(x.router, lane_route{lane(number), writer});
    drain();
    return writer;
  }

  void kill(const caf::actor& x) {
    self->send_exit(x, caf::exit_reason::kill);
    drain();
  }

  actor_report report(const node& x) {
    auto pending = self->request(caf::actor_cast<peers_actor>(x.peers),
                                 caf::infinite, inspect_atom_v);
    drain();
    actor_report result;
    pending.receive([&](actor_report& got) { result = std::move(got); },
                    [](caf::error&) {});
    return result;
  }

  actor_report link(const node& x) {
    return report(x).children.at(0);
  }
};

} // namespace

TEST_CASE_METHOD(peers_fixture, "two nodes find each other, in either order") {
  start_both();
  CHECK(link(a).state == "connected");
  CHECK(link(b).state == "connected");
  CHECK(a.connected.value() == 1);
  CHECK(b.connected.value() == 1);
}

TEST_CASE_METHOD(peers_fixture, "of two nodes only the first by name dials") {
  start(b, settings(b, a));
  advance(10s);
  CHECK(net->dials == 0);
  CHECK(link(b).state == "expected");
  start(a, settings(a, b));
  CHECK(net->dials == 1);
  CHECK(link(b).state == "connected");
}

TEST_CASE_METHOD(peers_fixture, "routes of a peer reach the consumers of the "
                                "other") {
  start_both();
  auto first = write(a, 1);
  auto second = write(b, 11);
  CHECK((*a.heard)[lane(11)] == second);
  CHECK((*b.heard)[lane(1)] == first);
  auto third = write(a, 2);
  CHECK((*b.heard)[lane(2)] == third);
  // A writer that starts again.
  kill(first);
  auto again = write(a, 1);
  CHECK((*b.heard)[lane(1)] == again);
}

TEST_CASE_METHOD(peers_fixture, "routes from before the connection are told "
                                "with it") {
  start(a, settings(a, b));
  auto first = write(a, 1);
  start(b, settings(b, a));
  advance(1s);
  CHECK((*b.heard)[lane(1)] == first);
}

TEST_CASE_METHOD(peers_fixture, "a lane that the placement gives to another "
                                "is no route") {
  start_both();
  // Both claim a lane of the other one.
  write(a, 12);
  write(b, 2);
  CHECK_FALSE(b.heard->count(lane(12)) > 0);
  CHECK_FALSE(a.heard->count(lane(2)) > 0);
  // Told by the right one, by the wrong one, and by a stranger.
  caf::send_as(b.peers, a.peers, peer_routes{{{lane(13), a.consumer}}});
  caf::send_as(b.peers, a.peers, peer_routes{{{lane(3), a.consumer}}});
  caf::anon_send(a.peers, peer_routes{{{lane(14), a.consumer}}});
  drain();
  CHECK(a.heard->contains(lane(13)));
  CHECK_FALSE(a.heard->contains(lane(3)));
  CHECK_FALSE(a.heard->contains(lane(14)));
}

TEST_CASE_METHOD(peers_fixture, "a peer that is lost is found again, and its "
                                "routes with it") {
  start_both();
  auto first = write(b, 11);
  kill(b.peers);
  CHECK(link(a).state == "connecting");
  CHECK(a.connected.value() == 0);
  advance(1s);
  // Nobody answers at the old place.
  CHECK(link(a).state == "connecting");
  start(b, settings(b, a));
  auto second = write(b, 11);
  advance(20s);
  advance(100ms);
  CHECK(link(a).state == "connected");
  CHECK(link(b).state == "connected");
  CHECK((*a.heard)[lane(11)] == second);
}

TEST_CASE_METHOD(peers_fixture,
                 "a connection by which no answer comes is ended "
                 "and made again") {
  net->deaf = true;
  start(b, settings(b, a));
  start(a, settings(a, b));
  advance(4s);
  CHECK(net->closed.empty());
  CHECK(link(a).state == "connecting");
  advance(2s);
  REQUIRE(net->closed.size() == 1);
  CHECK(net->closed[0] == sys.node());
  advance(1s);
  CHECK(link(a).state == "connected");
  CHECK(link(b).state == "connected");
}

TEST_CASE_METHOD(peers_fixture, "the one who waits hears from a new start of "
                                "the one who dials") {
  start_both();
  kill(a.peers);
  CHECK(link(b).state == "expected");
  start(a, settings(a, b));
  auto first = write(a, 1);
  CHECK(link(b).state == "connected");
  CHECK((*b.heard)[lane(1)] == first);
}

TEST_CASE_METHOD(peers_fixture, "nodes that do not fit refuse each other and "
                                "fit again once they do") {
  start(a, settings(a, b));
  auto other = settings(b, a);
  other.me.placement_fingerprint = 8;
  start(b, other);
  write(a, 1);
  advance(1s);
  CHECK(link(a).state == "refused");
  CHECK(link(b).state == "refused");
  CHECK(link(a).note == link(b).note);
  CHECK(link(a).note.contains("[[cluster.static]]"));
  CHECK_FALSE(b.heard->contains(lane(1)));
  CHECK(a.connected.value() == 0);
  kill(b.peers);
  start(b, settings(b, a));
  advance(20s);
  CHECK(link(a).state == "connected");
  CHECK(b.heard->contains(lane(1)));
}

TEST_CASE_METHOD(peers_fixture, "a node under another name is refused") {
  start(a, settings(a, b));
  auto other = settings(b, a);
  other.me.node = "c";
  start(b, other);
  advance(1s);
  CHECK(link(a).state == "refused");
  CHECK(link(a).note.contains("'c'"));
}

TEST_CASE_METHOD(peers_fixture, "a port that is taken is tried again") {
  net->busy[1] = 3;
  start(a, settings(a, b));
  CHECK(report(a).state == "waiting");
  CHECK(report(a).note.contains("127.0.0.1:1"));
  advance(30s);
  advance(30s);
  advance(30s);
  CHECK(report(a).state == "running");
}

TEST_CASE_METHOD(peers_fixture, "a route that was lost is told again") {
  start(b, settings(b, a));
  auto lose = std::make_shared<bool>(false);
  net->ports[2] = sys.spawn(leak, caf::actor_cast<peers_actor>(b.peers), lose);
  all.push_back(net->ports[2]);
  start(a, settings(a, b));
  REQUIRE(link(b).state == "connected");
  *lose = true;
  auto first = write(a, 1);
  CHECK_FALSE(b.heard->contains(lane(1)));
  *lose = false;
  advance(6s);
  CHECK((*b.heard)[lane(1)] == first);
}

TEST_CASE_METHOD(peers_fixture, "a ROUTER that starts again hears all routes") {
  start_both();
  auto first = write(a, 1);
  b.heard->clear();
  kill(caf::actor_cast<caf::actor>(b.router));
  b.router = nullptr;
  start(b, settings(b, a));
  advance(20s);
  CHECK((*b.heard)[lane(1)] == first);
}

TEST_CASE_METHOD(peers_fixture, "a PEERS ends with its ROUTER") {
  start_both();
  kill(caf::actor_cast<caf::actor>(a.router));
  CHECK(link(b).state == "expected");
}

TEST_CASE_METHOD(peers_fixture, "the dialing goes on, ever more slowly") {
  net->cut = true;
  start(a, settings(a, b));
  for (auto i = 0; i < 60; ++i)
    advance(1s);
  CHECK(net->dials > 10);
  CHECK(net->dials < 40);
  CHECK(link(a).note.contains("127.0.0.1:2"));
  net->cut = false;
  start(b, settings(b, a));
  advance(6s);
  CHECK(link(a).state == "connected");
}
