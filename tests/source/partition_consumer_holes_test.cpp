#include "tests/source/consumer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(consumer_fixture, "a hole is read a second time before a "
                                   "batch may claim it") {
  kafka->log = {10, 15};
  kafka->second_reader = {10, 15};
  kafka->hold_verify = true;
  start();
  REQUIRE(kafka->verified.size() == 1);
  CHECK(kafka->verified[0] == offset_range{{11}, {15}});
  advance(5ms);
  CHECK(sent().empty());
  self->send(source, start_atom_v);
  drain();
  CHECK(sent() == texts{"10-16 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "a hole in which a second reader sees "
                                   "records is read again, then halts") {
  kafka->log = {10, 15};
  kafka->second_reader = {10, 13, 15};
  start();
  CHECK(report().state == "waiting");
  CHECK(sent().empty());
  advance(100ms);
  CHECK(report().state == "halted");
  CHECK(report().note.find("13") != std::string::npos);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(consumer_fixture, "no floor passes a hole before it is "
                                   "verified") {
  // Nothing but the end: no lane is touched, so none would hold the floor.
  kafka->log = kafka->second_reader = {};
  kafka->hold_verify = true;
  start();
  REQUIRE(store->floors.asked.size() == 1);
  kafka->queues.back()->end_at(20);
  drain();
  REQUIRE(kafka->verified.size() == 1);
  for (int i = 0; i < 80; ++i)
    advance(250ms);
  CHECK(store->floors.asked.size() == 1);
  SECTION("then it may") {
    self->send(source, start_atom_v);
    drain();
    REQUIRE(store->floors.asked.size() == 2);
    CHECK(store->floors.asked[1].act.to == offset{20});
  }
  SECTION("the records are there after all, and reading starts below them") {
    kafka->second_reader = {15};
    self->send(source, start_atom_v);
    drain();
    advance(100ms);
    CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
  }
}

TEST_CASE_METHOD(consumer_fixture, "a view that comes while a hole is open is "
                                   "judged when it is closed") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  store->views.hold = true;
  route();
  advance(250ms);
  REQUIRE(store->views.asked.size() == 2);
  kafka->hold_verify = true;
  kafka->queues.back()->add(20);
  drain();
  REQUIRE(kafka->verified.size() == 1);
  store->views.hold = false;
  store->views.release(store->view);
  self->send(pool, session_notice{});
  drain();
  CHECK(kafka->assigned.size() == 1);
  self->send(source, start_atom_v);
  drain();
  CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
}
