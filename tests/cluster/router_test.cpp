#include "actors/cluster/router.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>

using namespace millrace;
using namespace millrace::test;

namespace {

using routes = std::vector<lane_route>;

caf::behavior listener(std::shared_ptr<routes> log) {
  return {[log](const lane_route& x) { log->push_back(x); }};
}

caf::behavior idler() {
  return {[](caf::ok_atom) {}};
}

lane_id lane(int32_t i) {
  return {"ticks", "demo", shard{i}};
}

struct router_fixture : deterministic {
  router_actor aut = sys.spawn<router>();
  std::shared_ptr<routes> log = std::make_shared<routes>();
  caf::actor consumer = sys.spawn(listener, log);
  caf::actor first = sys.spawn(idler);
  caf::actor second = sys.spawn(idler);

  ~router_fixture() {
    log->clear();
    self->send_exit(aut, caf::exit_reason::user_shutdown);
    for (const auto& x : {consumer, first, second})
      self->send_exit(x, caf::exit_reason::user_shutdown);
    drain();
  }

  void announce(int32_t i, const caf::actor& writer) {
    self->send(aut, lane_route{lane(i), writer});
    drain();
  }

  void subscribe() {
    self->send(aut, caf::subscribe_atom_v, consumer);
    drain();
  }

  void kill(const caf::actor& x) {
    self->send_exit(x, caf::exit_reason::kill);
    drain();
  }

  int64_t counter(const std::string& name) {
    auto pending = self->request(aut, caf::infinite, inspect_atom_v);
    drain();
    int64_t result = -1;
    pending.receive(
      [&](actor_report& x) {
        for (const auto& [key, value] : x.counters)
          if (key == name)
            result = value;
      },
      [](caf::error&) {});
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(router_fixture, "a subscriber hears all routes now and each "
                                 "change later") {
  announce(0, first);
  subscribe();
  REQUIRE(log->size() == 1);
  CHECK(log->back().lane == lane(0));
  CHECK(log->back().writer == first);
  announce(1, first);
  announce(0, second);
  REQUIRE(log->size() == 3);
  CHECK(log->back().lane == lane(0));
  CHECK(log->back().writer == second);
}

TEST_CASE_METHOD(router_fixture, "the same route again is no news") {
  subscribe();
  announce(0, first);
  announce(0, first);
  CHECK(log->size() == 1);
}

TEST_CASE_METHOD(router_fixture, "a consumer that subscribes twice hears "
                                 "changes once") {
  subscribe();
  subscribe();
  announce(0, first);
  CHECK(log->size() == 1);
  CHECK(counter("consumers") == 1);
}

TEST_CASE_METHOD(router_fixture, "a writer that ended is routed to no more") {
  announce(0, first);
  announce(1, second);
  kill(first);
  subscribe();
  REQUIRE(log->size() == 1);
  CHECK(log->back().lane == lane(1));
  CHECK(counter("lanes") == 1);
}

TEST_CASE_METHOD(router_fixture, "the end of a former writer leaves the new "
                                 "route alone") {
  announce(0, first);
  announce(0, second);
  kill(first);
  subscribe();
  REQUIRE(log->size() == 1);
  CHECK(log->back().writer == second);
}

TEST_CASE_METHOD(router_fixture, "a consumer that ended is forgotten") {
  subscribe();
  CHECK(counter("consumers") == 1);
  kill(consumer);
  CHECK(counter("consumers") == 0);
  announce(0, first);
  CHECK(log->empty());
}
