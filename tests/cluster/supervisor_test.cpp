#include "tests/cluster/supervisor_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

using strings = std::vector<std::string>;

TEST_CASE_METHOD(supervised, "children start in the order of their list") {
  run(config({spec("a"), spec("b"), spec("c")}));
  CHECK(log->events == strings{"+a", "+b", "+c"});
}

TEST_CASE_METHOD(supervised, "a failed child starts again, its siblings do "
                             "not notice") {
  run(config({spec("a"), spec("b")}));
  fail("a");
  CHECK(log->events == strings{"+a", "+b", "-a"});
  advance(99ms);
  CHECK(log->starts("a") == 1);
  advance(1ms);
  CHECK(log->starts("a") == 2);
  CHECK(log->starts("b") == 1);
}

TEST_CASE_METHOD(supervised, "the delay grows with each failure") {
  run(config({spec("a")}));
  for (auto delay : {100ms, 200ms, 400ms}) {
    auto before = log->starts("a");
    fail("a");
    advance(delay - 1ms);
    CHECK(log->starts("a") == before);
    advance(1ms);
    CHECK(log->starts("a") == before + 1);
  }
}

TEST_CASE_METHOD(supervised, "a permanent child starts again even if it "
                             "finished") {
  run(config({spec("a", restart_kind::permanent)}));
  caf::anon_send(log->handles["a"], caf::ok_atom_v);
  drain();
  advance(100ms);
  CHECK(log->starts("a") == 2);
}

TEST_CASE_METHOD(supervised, "a transient child may finish, but not fail") {
  run(config({spec("a", restart_kind::transient)}));
  fail("a");
  advance(100ms);
  CHECK(log->starts("a") == 2);
  caf::anon_send(log->handles["a"], caf::ok_atom_v);
  drain();
  advance(1h);
  CHECK(log->starts("a") == 2);
  CHECK(tree().children.empty());
}

TEST_CASE_METHOD(supervised, "a temporary child never starts again") {
  run(config({spec("a", restart_kind::temporary), spec("b")}));
  fail("a");
  advance(1h);
  CHECK(log->starts("a") == 1);
  CHECK(tree().children.size() == 1);
}

TEST_CASE_METHOD(supervised, "a factory that throws is a failure like any "
                             "other") {
  log->broken["a"] = true;
  run(config({spec("a"), spec("b")}));
  CHECK(log->events == strings{"+b"});
  auto report = tree();
  CHECK(report.children.at(0).state == "waiting");
  CHECK(report.children.at(0).note == "no bed for a");
  log->broken["a"] = false;
  advance(100ms);
  CHECK(log->starts("a") == 1);
}

TEST_CASE_METHOD(supervised, "past the limit the supervisor stops its "
                             "children and ends with an error") {
  run(config({spec("a"), spec("b"), spec("c")}));
  self->monitor(aut);
  for (auto i = 0; i < 3; ++i) {
    fail("b", "disk full");
    advance(1s);
  }
  CHECK(log->starts("b") == 4);
  CHECK_FALSE(end());
  log->events.clear();
  fail("b", "disk full");
  CHECK(log->events == strings{"-b", "-c", "-a"});
  auto reason = end();
  REQUIRE(reason);
  CHECK(*reason == supervision_errc::restart_limit);
  CHECK(escalation
        == "supervisor root: more than 3 restarts within 10000 ms; the last "
           "failure was of b: disk full");
}

TEST_CASE_METHOD(supervised, "failures far apart never reach the limit") {
  run(config({spec("a")}));
  for (auto i = 0; i < 50; ++i) {
    fail("a");
    advance(4s);
  }
  CHECK(log->starts("a") == 51);
  CHECK(escalation.empty());
}

TEST_CASE_METHOD(supervised, "failures of all children count together") {
  run(config({spec("a"), spec("b"), spec("c"), spec("d")}));
  for (const auto* name : {"a", "b", "c"})
    fail(name);
  CHECK(escalation.empty());
  fail("d");
  CHECK_FALSE(escalation.empty());
}

TEST_CASE_METHOD(supervised, "a child that parks troubles nobody else") {
  auto tenant = spec("a");
  tenant.on_limit = limit_reaction::park;
  run(config({tenant, spec("b")}));
  for (auto i = 0; i < 3; ++i) {
    fail("a");
    advance(1s);
  }
  fail("a", "schema gone");
  auto report = tree();
  CHECK(report.state == "running");
  CHECK(report.children.at(0).state == "parked");
  CHECK(report.children.at(0).note == "schema gone");
  CHECK(report.children.at(0).restarts == 3);
  CHECK(report.children.at(1).state == "running");

  SECTION("it is tried again after a long while") {
    advance(59s);
    CHECK(log->starts("a") == 4);
    advance(1s);
    CHECK(log->starts("a") == 5);
    CHECK(tree().children.at(0).state == "running");
    // With its full number of restarts again.
    fail("a");
    CHECK(tree().children.at(0).state == "waiting");
  }
  SECTION("or at once on command") {
    CHECK(ask(restart_child_atom_v, std::string{"a"}) == "ok");
    CHECK(log->starts("a") == 5);
    advance(60s);
    CHECK(log->starts("a") == 5);
  }
  SECTION("or removed") {
    CHECK(ask(remove_child_atom_v, std::string{"a"}) == "ok");
    advance(60s);
    CHECK(log->starts("a") == 4);
  }
}

TEST_CASE_METHOD(supervised, "a stop ends the children in reverse order, one "
                             "after the other") {
  run(config({spec("a"), spec("b"), spec("c")}));
  log->events.clear();
  self->monitor(aut);
  CHECK(ask(stop_atom_v) == "ok");
  CHECK(log->events == strings{"-c", "-b", "-a"});
  CHECK(end() == caf::error{caf::exit_reason::user_shutdown});
  CHECK(escalation.empty());
}

TEST_CASE_METHOD(supervised, "an exit message is a stop") {
  run(config({spec("a"), spec("b")}));
  log->events.clear();
  self->monitor(aut);
  self->send_exit(aut, caf::exit_reason::user_shutdown);
  drain();
  CHECK(log->events == strings{"-b", "-a"});
  CHECK(end());
}

TEST_CASE_METHOD(supervised, "a child that ignores its stop is killed after "
                             "its grace time") {
  auto deaf = spec("b", manner::deaf);
  deaf.stop_grace = 2s;
  run(config({spec("a"), deaf, spec("c")}));
  log->events.clear();
  self->monitor(aut);
  self->send_exit(aut, caf::exit_reason::user_shutdown);
  drain();
  CHECK(log->events == strings{"-c"});
  advance(1'999ms);
  CHECK(log->events == strings{"-c"});
  CHECK(tree().children.at(1).state == "stopping");
  advance(1ms);
  CHECK(log->events == strings{"-c", "-b", "-a"});
  CHECK(end());
}

TEST_CASE_METHOD(supervised, "a stop does not wait for what is not running") {
  run(config({spec("a"), spec("b")}));
  fail("b");
  self->monitor(aut);
  CHECK(ask(stop_atom_v) == "ok");
  CHECK(end());
  advance(1h);
  CHECK(log->starts("b") == 1);
}

TEST_CASE_METHOD(supervised, "a killed supervisor takes its children along") {
  run(config({spec("a"), spec("b", manner::deaf)}));
  log->events.clear();
  self->send_exit(aut, caf::exit_reason::kill);
  drain();
  CHECK(log->events.size() == 2);
}

TEST_CASE_METHOD(supervised, "children come and go at run time") {
  run(config({spec("a")}));
  auto added = std::make_shared<child_spec>(spec("b"));
  CHECK(ask(add_child_atom_v, child_spec_ptr{added}) == "ok");
  CHECK(log->starts("b") == 1);
  fail("b");
  advance(100ms);
  CHECK(log->starts("b") == 2);
  CHECK(ask(remove_child_atom_v, std::string{"b"}) == "ok");
  CHECK(log->events.back() == "-b");
  advance(1h);
  CHECK(log->starts("b") == 2);
  // The name is free again.
  CHECK(ask(add_child_atom_v, child_spec_ptr{added}) == "ok");
}

TEST_CASE_METHOD(supervised, "orders that make no sense are refused") {
  auto limited = config({spec("a")});
  limited.max_children = 2;
  run(limited);
  auto added = [](child_spec x) {
    return child_spec_ptr{std::make_shared<child_spec>(std::move(x))};
  };
  using namespace std::string_literals;
  CHECK(ask(add_child_atom_v, added(spec("a"))) != "ok");
  CHECK(ask(add_child_atom_v, added(spec(""))) != "ok");
  CHECK(ask(add_child_atom_v, added({.name = "x"})) != "ok");
  CHECK(ask(add_child_atom_v, child_spec_ptr{}) != "ok");
  CHECK(ask(add_child_atom_v, added(spec("b"))) == "ok");
  CHECK(ask(add_child_atom_v, added(spec("c"))) != "ok");
  CHECK(ask(remove_child_atom_v, "x"s) != "ok");
  CHECK(ask(restart_child_atom_v, "x"s) != "ok");
}

TEST_CASE_METHOD(supervised, "a restart on command stops in order first") {
  auto deaf = spec("a", manner::deaf);
  deaf.stop_grace = 1s;
  run(config({deaf}));
  auto answer = self->request(aut, caf::infinite, restart_child_atom_v,
                              std::string{"a"});
  drain();
  CHECK(log->events == strings{"+a"});
  advance(1s);
  CHECK(log->events == strings{"+a", "-a", "+a"});
  answer.receive([] {}, [](caf::error&) { FAIL("refused"); });
}

TEST_CASE_METHOD(supervised, "two orders about one child both get an answer, "
                             "and removal wins") {
  auto deaf = spec("a", manner::deaf);
  deaf.stop_grace = 1s;
  run(config({deaf, spec("b")}));
  using namespace std::string_literals;
  auto first = self->request(aut, caf::infinite, restart_child_atom_v, "a"s);
  auto second = self->request(aut, caf::infinite, remove_child_atom_v, "a"s);
  drain();
  CHECK(ask(restart_child_atom_v, "a"s) != "ok");
  advance(1s);
  auto answers = 0;
  first.receive([&] { ++answers; }, [](caf::error&) {});
  second.receive([&] { ++answers; }, [](caf::error&) {});
  CHECK(answers == 2);
  CHECK(log->starts("a") == 1);
  CHECK(tree().children.size() == 1);
}

TEST_CASE_METHOD(supervised, "a listener hears of every child and every new "
                             "start") {
  run(config({spec("a"), spec("b")}));
  CHECK(ask(caf::subscribe_atom_v, caf::actor_cast<caf::actor>(self)) == "ok");
  std::vector<std::pair<std::string, int64_t>> heard;
  auto listen = [&] {
    auto more = true;
    while (more)
      self->receive(
        [&](const child_started& x) {
          heard.emplace_back(x.name, x.restarts);
          CHECK(x.child == log->handles[x.name]);
        },
        caf::after(0s) >> [&] { more = false; });
  };
  listen();
  fail("b");
  advance(100ms);
  listen();
  CHECK(heard
        == std::vector<std::pair<std::string, int64_t>>{
          {"a", 0}, {"b", 0}, {"b", 1}});
}

TEST_CASE_METHOD(supervised, "a supervisor with values that make no sense "
                             "does not start") {
  CHECK_THROWS_AS(sys.spawn<supervisor>(config({spec("a"), spec("a")})),
                  std::invalid_argument);
  auto bad = config({});
  bad.limit.max_restarts = 0;
  CHECK_THROWS_AS(sys.spawn<supervisor>(bad), std::invalid_argument);
  CHECK_THROWS_AS(sys.spawn<supervisor>(supervisor_config{}),
                  std::invalid_argument);
}
