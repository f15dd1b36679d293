#include "actors/cluster/caf_runtime.hpp"
#include "actors/cluster/supervisor.hpp"
#include "tests/cluster/supervisor_fixture.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <future>
#include <stdexcept>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

supervisor_config top(child_factory factory) {
  supervisor_config result;
  result.name = "node";
  child_spec only;
  only.name = "only";
  only.factory = std::move(factory);
  result.children.push_back(only);
  return result;
}

/// Ends when told `ok`, and not before.
caf::behavior stubborn(caf::event_based_actor* self) {
  self->set_exit_handler([](caf::exit_msg&) {});
  return {[self](caf::ok_atom) { self->quit(); }};
}

} // namespace

TEST_CASE("a runtime stops its root and everything below") {
  caf_runtime aut{caf_config{.threads = 1}};
  auto root = aut.system().spawn<supervisor>(top([](caf::local_actor* self) {
    return caf::actor{self->spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](int x) { return x; }};
    })};
  }));
  CHECK_FALSE(aut.wait(root, 1ms));
  CHECK(aut.stop(root, 10s));
  CHECK(aut.wait(root, 10s));
}

TEST_CASE("a runtime says when an actor is left after the grace time") {
  caf_runtime aut{caf_config{.threads = 1}};
  auto root = aut.system().spawn<supervisor>(top([](caf::local_actor* self) {
    return caf::actor{self->spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](int x) { return x; }};
    })};
  }));
  auto stray = aut.system().spawn(stubborn);
  CHECK_FALSE(aut.stop(root, 50ms));
  caf::anon_send(stray, caf::ok_atom_v);
}

TEST_CASE("an actor that always has work does not keep its thread") {
  caf_runtime aut{caf_config{.threads = 1}};
  auto& system = aut.system();
  auto busy = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {
      [self](caf::ok_atom) { self->send(self, caf::ok_atom_v); },
      [self](caf::put_atom) { self->quit(); },
    };
  });
  caf::anon_send(busy, caf::ok_atom_v);
  auto other = system.spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](int x) { return x; }};
  });
  caf::scoped_actor self{system};
  auto answered = false;
  self->request(other, 20s, 7)
    .receive([&](int) { answered = true; }, [](const caf::error&) {});
  CHECK(answered);
  caf::anon_send(busy, caf::put_atom_v);
}

TEST_CASE("a process whose root gives up hears why, once") {
  caf_runtime aut{caf_config{.threads = 1}};
  std::promise<std::string> why;
  auto config = top([](caf::local_actor*) -> caf::actor {
    throw std::runtime_error{"no disk"};
  });
  config.backoff = {.initial = 1ms, .max = 2ms};
  config.limit = {.max_restarts = 2, .window = 10s};
  config.on_escalation = [&](const std::string& x) { why.set_value(x); };
  auto root = aut.system().spawn<supervisor>(config);
  CHECK(aut.wait(root, 10s));
  CHECK(why.get_future().get()
        == "supervisor node: more than 2 restarts within 10000 ms; the last "
           "failure was of only: no disk");
}

TEST_CASE("more threads than any machine has are refused") {
  CHECK_THROWS_AS(caf_runtime{caf_config{.threads = 100'000}},
                  std::invalid_argument);
}
