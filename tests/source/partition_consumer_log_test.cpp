#include "tests/source/consumer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(consumer_fixture, "an assignment that is taken away without a "
                                   "sound is noticed") {
  start();
  kafka->queues.back()->taken = true;
  kafka->bounds_error = caf::make_error(source_errc::halt, "topic recreated");
  advance(250ms);
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(report().state == "halted");
}

TEST_CASE_METHOD(consumer_fixture,
                 "an offset that is out of range is judged by "
                 "a fresh start") {
  start();
  auto fail = [this] {
    kafka->queues.back()->error = kafka_error{kafka_errc::offset_out_of_range,
                                              kafka_action::halt, 0,
                                              "no such offset"};
    self->send(aut, records_ready_atom_v);
    drain();
  };
  kafka->log.clear();
  SECTION("which may say why") {
    kafka->bounds_error = caf::make_error(source_errc::halt, "topic recreated");
    fail();
    CHECK(report().state == "waiting");
    advance(100ms);
    CHECK(report().note.contains("topic recreated"));
    CHECK(report().note.contains("millrace lanes adopt-topic "));
  }
  SECTION("and halts when that finds nothing wrong, time and again") {
    for (int i = 0; i < 4; ++i) {
      fail();
      CHECK(report().state == "waiting");
      advance(1s);
      CHECK(report().state == "reading");
    }
    fail();
    CHECK(report().state == "halted");
    CHECK(report().note.contains("no such offset"));
  }
}

TEST_CASE_METHOD(consumer_fixture, "other lanes in the view end the consumer, "
                                   "and SOURCE is told to make another") {
  store->view.lanes.pop_back();
  start(false);
  self->monitor(aut);
  drain();
  auto reason = end();
  REQUIRE(reason);
  // An error would start the same consumer again.
  CHECK_FALSE(*reason);
  CHECK(kafka->changed.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "lanes that change while it reads end the "
                                   "consumer too") {
  start();
  store->view.lanes.push_back({{"p", "third", shard{0}}, {10}});
  self->monitor(aut);
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  auto reason = end();
  REQUIRE(reason);
  CHECK_FALSE(*reason);
  CHECK(kafka->changed.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "the log is asked for before each floor act "
                                   "of a reading consumer") {
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  kafka->hold_bounds = true;
  for (int i = 0; i < 40; ++i)
    advance(250ms);
  REQUIRE(kafka->bounds_asked.size() == 1);
  CHECK(store->floors.asked.size() == 1);
  auto answer = [this] {
    self->send(source, poll_atom_v);
    drain();
  };
  SECTION("what is read while it is asked is not in the act") {
    kafka->queues.back()->add(13);
    drain();
    reply(lane_reply::kind::ack, 14, 1);
    answer();
    REQUIRE(store->floors.asked.size() == 2);
    CHECK(store->floors.asked[1].act.to == offset{13});
  }
  SECTION("another topic halts it, and no floor moves") {
    kafka->bounds_error = caf::make_error(source_errc::halt, "topic recreated");
    answer();
    CHECK(report().state == "halted");
    CHECK(report().note.contains("topic recreated"));
    advance(1h);
    CHECK(store->floors.asked.size() == 1);
  }
  SECTION("no answer leaves the floor, but acks are held against the rows") {
    auto views = store->views.asked.size();
    kafka->bounds_error = caf::make_error(source_errc::retry, "away");
    answer();
    CHECK(store->floors.asked.size() == 1);
    CHECK(store->views.asked.size() == views + 1);
    CHECK(report().state == "reading");
  }
}

TEST_CASE_METHOD(consumer_fixture, "a log that ends before what was read, or "
                                   "begins beyond it, is a reason to start "
                                   "again") {
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  SECTION("truncated") {
    kafka->bounds = {{0}, {12}};
  }
  SECTION("retention") {
    kafka->bounds = {{14}, {100}};
  }
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  CHECK(report().state == "waiting");
  advance(100ms);
  if (kafka->bounds.to < offset{13}) {
    CHECK(report().state == "halted");
    CHECK(kafka->assigned.size() == 1);
  } else {
    // Both lanes have lost records; the partition goes on.
    CHECK(report().state == "reading");
    CHECK(store->losses.asked.size() == 2);
  }
}

TEST_CASE_METHOD(consumer_fixture, "a stall behind the end that was seen is "
                                   "noticed") {
  stall = partition_reading_config{}.stall;
  kafka->bounds = {{0}, {13}};
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  kafka->queues.back()->end_at(13);
  drain();
  for (int i = 0; i < 60; ++i)
    advance(250ms);
  CHECK(kafka->assigned.size() == 1);
  // Records have come, but the client does not tell.
  kafka->bounds = {{0}, {20}};
  for (int i = 0; i < 60; ++i)
    advance(250ms);
  CHECK(kafka->assigned.size() > 1);
}
