// Supervisors of supervisors: what is seen from above, and what a random
// history cannot break.

#include "tests/cluster/supervisor_fixture.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <random>

using namespace millrace;
using namespace millrace::test;

namespace {

using strings = std::vector<std::string>;

struct two_levels : supervised {
  supervisor_config below(std::string name, std::vector<child_spec> children) {
    auto result = config(std::move(children));
    result.name = std::move(name);
    result.on_escalation = nullptr;
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(two_levels, "an inspection shows the whole tree") {
  auto top = config({spec("a"), supervisor_child(below("t", {spec("b")}))});
  top.inspect_timeout = 1s;
  run(top);
  fail("b");
  advance(100ms);
  auto report = tree();
  CHECK(report.name == "root");
  CHECK(report.kind == "millrace.supervisor");
  CHECK(report.state == "running");
  CHECK(report.since_ms > 1'700'000'000'000);
  REQUIRE(report.children.size() == 2);
  CHECK(report.children[0].name == "a");
  CHECK(report.children[0].kind == "test.child");
  CHECK(report.children[0].counters
        == vitals::counters{{"answers", int64_t{1}}});
  const auto& tenant = report.children[1];
  CHECK(tenant.name == "t");
  REQUIRE(tenant.children.size() == 1);
  CHECK(tenant.children[0].name == "b");
  CHECK(tenant.children[0].state == "running");
  CHECK(tenant.children[0].restarts == 1);
  CHECK(tenant.children[0].note.find("oops") != std::string::npos);
}

TEST_CASE_METHOD(two_levels, "who does not answer in time is shown so, and "
                             "hides nobody") {
  auto top = config(
    {supervisor_child(below("t", {spec("b", manner::silent), spec("c")})),
     spec("a")});
  top.inspect_timeout = 1s;
  run(top);
  auto report = tree(500ms);
  REQUIRE(report.children.size() == 2);
  CHECK(report.children[1].state == "running");
  REQUIRE(report.children[0].children.size() == 2);
  CHECK(report.children[0].children[0].state == "no answer");
  CHECK(report.children[0].children[1].state == "running");
}

TEST_CASE_METHOD(two_levels, "who has not answered yet is not asked again") {
  auto top = config({spec("a", manner::late), spec("b")});
  top.inspect_timeout = 1s;
  run(top);
  auto state_of_a = [&] { return tree(1s).children[0].state; };
  CHECK(state_of_a() == "no answer");
  CHECK(state_of_a() == "no answer");
  REQUIRE(log->held.size() == 1);
  self->send(log->handles["a"], caf::flush_atom_v);
  drain();
  CHECK(state_of_a() == "no answer");
  REQUIRE(log->held.size() == 2);
  fail("a");
  advance(100ms);
  CHECK(state_of_a() == "no answer");
  CHECK(log->held.size() == 3);
  log->held.clear();
}

TEST_CASE_METHOD(two_levels, "who asked a supervisor that ends hears of it") {
  auto top = config({spec("a", manner::late)});
  top.inspect_timeout = 1s;
  run(top);
  auto asked = self->request(aut, caf::infinite, inspect_atom_v);
  drain();
  self->send_exit(aut, caf::exit_reason::kill);
  drain();
  log->held.clear();
  // Nothing else may hold the promise: what is not answered here leaks.
  REQUIRE(self->has_next_message());
  asked.receive([](const actor_report&) { FAIL("there was no report"); },
                [](const caf::error& reason) {
                  CHECK(reason == caf::sec::broken_promise);
                });
}

TEST_CASE_METHOD(two_levels, "a supervisor that gives up is started again by "
                             "its parent, with all its children") {
  run(
    config({spec("a"), supervisor_child(below("t", {spec("b"), spec("c")}))}));
  for (auto i = 0; i < 3; ++i) {
    fail("b");
    advance(1s);
  }
  fail("b");
  CHECK(log->events.back() == "-c");
  auto report = tree();
  CHECK(report.children[1].state == "waiting");
  CHECK(report.children[1].note.find("more than 3 restarts")
        != std::string::npos);
  log->events.clear();
  advance(100ms);
  CHECK(log->events == strings{"+b", "+c"});
  CHECK(escalation.empty());
}

TEST_CASE_METHOD(two_levels, "a stop reaches the leaves in reverse order") {
  run(config({spec("a"), supervisor_child(below("t", {spec("b"), spec("c")})),
              spec("d")}));
  log->events.clear();
  CHECK(ask(stop_atom_v) == "ok");
  CHECK(log->events == strings{"-d", "-c", "-b", "-a"});
}

TEST_CASE_METHOD(two_levels, "a killed root leaves no orphan") {
  run(config({supervisor_child(below("t", {spec("b"), spec("c")}))}));
  log->events.clear();
  self->send_exit(aut, caf::exit_reason::kill);
  drain();
  CHECK(log->events.size() == 2);
}

TEST_CASE_METHOD(two_levels, "a child supervisor gets time to stop its own") {
  auto slow = spec("b");
  slow.stop_grace = 7s;
  auto nested = supervisor_child(below("t", {slow, spec("c")}));
  // Children: 7 s and 5 s, a kill of 1 s for each, and 1 s for itself.
  CHECK(nested.stop_grace == 15s);
}

TEST_CASE_METHOD(supervised, "a report survives the wire format") {
  actor_report sent{"n", "k", "s", 1, 2, 3, {{"c", 4}}, "note", {}};
  sent.children.push_back(sent);
  caf::byte_buffer bytes;
  caf::binary_serializer sink{sys, bytes};
  REQUIRE(sink.apply(sent));
  caf::binary_deserializer from{sys, bytes};
  actor_report got;
  REQUIRE(from.apply(got));
  CHECK(caf::deep_to_string(got) == caf::deep_to_string(sent));
}

// Whatever fails, whenever: never two instances of one child, and every child
// is back once the failures stop, unless the supervisor ended.
TEST_CASE_METHOD(supervised, "a random history keeps at most one instance of "
                             "each child and ends in peace") {
  auto seed = GENERATE(range(uint64_t{1}, uint64_t{31}));
  std::mt19937_64 chance{seed};
  const strings names{"a", "b", "c", "d"};
  auto what = config({});
  what.limit = {.max_restarts = 5, .window = 20s};
  what.backoff.jitter = 0.5;
  for (const auto& name : names) {
    auto child = spec(name, name == "d" ? manner::deaf : manner::obedient);
    child.on_limit = limit_reaction::park;
    child.stop_grace = 500ms;
    what.children.push_back(child);
  }
  run(what);
  auto alive = [&](const std::string& name) {
    return std::ranges::count(log->events, "+" + name)
           - std::ranges::count(log->events, "-" + name);
  };
  for (auto step = 0; step < 300; ++step) {
    const auto& name = names[chance() % names.size()];
    switch (chance() % 6) {
      case 0:
        fail(name);
        break;
      case 1:
        log->broken[name] = !log->broken[name];
        break;
      case 2:
        self->send(aut, restart_child_atom_v, name);
        break;
      case 3:
        static_cast<void>(tree());
        break;
      default:
        advance(std::chrono::milliseconds{chance() % 3'000});
    }
    drain();
    for (const auto& x : names)
      REQUIRE(alive(x) <= 1);
  }
  log->broken.clear();
  advance(120s);
  advance(120s);
  for (const auto& x : names)
    CHECK(alive(x) == 1);
}
