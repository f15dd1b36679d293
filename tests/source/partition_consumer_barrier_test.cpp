// Rules 25 and 26 as a PARTITION CONSUMER carries them out.

#include "tests/source/consumer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(consumer_fixture,
                 "while the map is about to change nothing is "
                 "read beyond the barrier, and the floor "
                 "comes to it") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  store->view.changing = true;
  advance(5s);
  CHECK(report().state == "at a barrier");
  kafka->queues.back()->add(13);
  advance(1s);
  CHECK(sent().empty());
  // The lane's last batch is not durable: no floor passes it.
  CHECK(store->view.floor == offset{10});
  store->view.lanes[0].effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  advance(2s);
  CHECK(store->view.floor == offset{13});
  CHECK(kafka->assigned == std::vector<int64_t>{10});

  SECTION("when it is called off, the reading goes on where it was") {
    kafka->log.push_back(13);
    store->view.changing = false;
    advance(1s);
    CHECK(report().state == "reading");
    CHECK(kafka->assigned == std::vector<int64_t>{10, 13});
    CHECK(sent() == texts{"13-14 #1"});
  }
  SECTION("when the map has changed, SOURCE is told") {
    store->view.changing = false;
    ++store->view.map_version.value;
    ++store->view.token.bytes[0];
    self->monitor(aut);
    advance(2s);
    CHECK(kafka->changed.size() == 1);
    CHECK(sent().empty());
  }
}

TEST_CASE_METHOD(consumer_fixture,
                 "a consumer that starts amid a change drains "
                 "what lanes lack and waits") {
  store->view.lanes[1].effective = {12};
  store->view.changing = true;
  start();
  advance(5ms);
  CHECK(sent() == texts{"10-12 #1"});
  CHECK(report().state == "at a barrier");
  store->view.lanes[0].effective = {12};
  reply(lane_reply::kind::ack, 12, 1);
  advance(2s);
  CHECK(store->view.floor == offset{12});
}

TEST_CASE_METHOD(consumer_fixture, "who waits at a barrier has not stalled") {
  stall = 1s;
  store->view.changing = true;
  start();
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  advance(10s);
  CHECK(kafka->assigned == std::vector<int64_t>{10});
}

TEST_CASE_METHOD(consumer_fixture, "a floor that is frozen at the barrier is "
                                   "freed by a new start") {
  store->view.floor = {5};
  store->floors.queued.push_back(floor_answer{true, {5}, {}, {1}, false});
  start();
  CHECK(sent() == texts{"10-13 #1"});
  store->view.changing = true;
  store->view.lanes[0].effective = {13};
  store->view.lanes[1].effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  store->floors.decide = [](const floor_request& x) { return x.act.full; };
  store->floors.otherwise = {true, {5}, {}, {1}, false};
  advance(5s);
  advance(1s);
  advance(1s);
  store->floors.decide = nullptr;
  CHECK(kafka->assigned.size() >= 2);
  CHECK(kafka->assigned.back() == 13);
}

TEST_CASE_METHOD(consumer_fixture,
                 "when all batches are handed back, SOURCE is "
                 "asked what the lanes are now") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  for (auto number : {1, 2}) {
    reply(lane_reply::kind::hand_back, 10, number);
    CHECK(kafka->changed.empty());
    advance(250ms);
    advance(5ms);
  }
  reply(lane_reply::kind::hand_back, 10, 3);
  CHECK(kafka->changed.size() == 1);
}
