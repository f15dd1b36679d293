// Rule 25: a backfill as a PARTITION CONSUMER reads it, and the one that waits
// for it.

#include "tests/source/consumer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

/// Its lanes and its floor are at a barrier, and a backfill is not there yet.
void wait_for_backfill(partition_view& x) {
  x.lanes[1].effective = {12};
  x.lanes[0].effective = {12};
  x.floor = {12};
  x.changing = true;
  x.held_by = "orders_past";
}

} // namespace

TEST_CASE_METHOD(consumer_fixture, "a backfill follows its end, which moves "
                                   "on") {
  store->view.until = offset{12};
  start();
  advance(5ms);
  CHECK(sent() == texts{"10-12 #1"});
  store->view.lanes[0].effective = {12};
  reply(lane_reply::kind::ack, 12, 1);
  advance(10s);
  CHECK(store->view.floor == offset{12});
  // Not finished: nobody has said that it ends there.
  CHECK(report().state == "reading");
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  store->view.until = offset{13};
  advance(10s);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 12});
  CHECK(sent() == texts{"12-13 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "a backfill ends by itself when its floor "
                                   "has come to its end") {
  store->view.until = offset{12};
  store->view.ends = true;
  start();
  advance(5ms);
  CHECK(sent() == texts{"10-12 #1"});
  CHECK(report().state == "reading");
  store->view.lanes[0].effective = {12};
  reply(lane_reply::kind::ack, 12, 1);
  advance(5s);
  CHECK(store->view.floor == offset{12});
  CHECK(report().state == "finished");

  SECTION("and reads nothing any more") {
    kafka->queues.back()->add(13);
    advance(200s);
    CHECK(sent().empty());
    CHECK(report().state == "finished");
    CHECK(kafka->assigned == std::vector<int64_t>{10});
  }
  SECTION("until its own map is another one") {
    store->view.map_version = {2};
    advance(90s);
    CHECK(kafka->changed.size() == 1);
  }
  SECTION("until a failover takes some of it back") {
    store->view.floor = {10};
    store->view.lanes[0].effective = {10};
    ++store->view.token.bytes[0];
    advance(90s);
    advance(1s);
    CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
  }
}

TEST_CASE_METHOD(consumer_fixture, "a backfill that is done asks Kafka for "
                                   "nothing at its start") {
  // What it has may have gone from there.
  kafka->bounds = {{90}, {100}};
  store->view.until = offset{10};
  store->view.ends = true;
  start();
  advance(5ms);
  CHECK(report().state == "finished");
  CHECK(kafka->assigned.empty());
  CHECK_FALSE(end());
}

TEST_CASE_METHOD(consumer_fixture, "who waits for a backfill says so") {
  wait_for_backfill(store->view);
  start();
  advance(5ms);
  CHECK(sent().empty());
  CHECK(report().state == "at a barrier");
  CHECK(
    report().note.contains("backfill orders_past has to come to offset 12"));
  store->view.changing = false;
  store->view.held_by.clear();
  advance(1s);
  CHECK(report().state == "reading");
  CHECK(report().note.empty());
}

TEST_CASE_METHOD(consumer_fixture, "who waits for a backfill looks ever less "
                                   "often") {
  wait_for_backfill(store->view);
  start();
  for (int i = 0; i < 400; ++i)
    advance(250ms);
  // Every five seconds in the end, as at any other time.
  CHECK(store->views.asked.size() >= 20);
  CHECK(store->views.asked.size() <= 30);
}

TEST_CASE_METHOD(consumer_fixture, "a backfill looks for its end as rarely as "
                                   "others for a floor, until it is there") {
  store->view.until = offset{1'000};
  store->view.ends = true;
  start();
  for (int i = 0; i < 400; ++i)
    advance(250ms);
  // Some are for what nobody acknowledges here.
  CHECK(store->views.asked.size() <= 40);
}

TEST_CASE("what moves is looked at soon, what stands still ever later") {
  look_pace pace{500ms, 3s};
  CHECK(pace.interval() == 500ms);
  pace.saw(7);
  CHECK(pace.interval() == 500ms);
  pace.saw(7);
  CHECK(pace.interval() == 1s);
  pace.saw(7);
  CHECK(pace.interval() == 2s);
  pace.saw(7);
  pace.saw(7);
  CHECK(pace.interval() == 3s);
  pace.saw(8);
  CHECK(pace.interval() == 500ms);
  pace.saw(8);
  CHECK(pace.interval() == 1s);
  pace.reset();
  CHECK(pace.interval() == 500ms);
  // Never faster than it may be.
  CHECK(look_pace{5s, 1s}.interval() == 5s);
}
