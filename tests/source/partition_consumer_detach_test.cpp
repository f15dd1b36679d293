#include "tests/source/consumer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

/// The records 11, 21, 31 … are those of the lane "other". Credit is for one
/// batch, and a batch for two rows.
struct detach_fixture : consumer_fixture {
  static constexpr std::size_t other = 1;

  detach_fixture() {
    batch_rows = 2;
    credit_bytes = 100;
    for (int64_t at = 11; at < 1'000; at += 10)
      kafka->others.insert(at);
  }

  void add(int64_t from, int64_t to) {
    for (auto at = from; at < to; ++at) {
      kafka->log.push_back(at);
      kafka->second_reader.push_back(at);
      kafka->queues.back()->add(at);
      if (!kafka->catch_up_queues.empty())
        kafka->catch_up_queues.back()->add(at);
    }
    drain();
  }

  int64_t counter(std::string_view name) {
    for (const auto& [key, value] : report().counters)
      if (key == name)
        return value;
    return -2;
  }

  void ticks(int n) {
    for (int i = 0; i < n; ++i)
      advance(250ms);
  }

  /// The lane of most records stays without an ack, the other one has its
  /// own; records 13 to 15 are more than the first may have.
  void block() {
    start();
    CHECK(sent() == texts{"10-13 #1"});
    CHECK(sent(other) == texts{"10-13 #1"});
    add(13, 16);
    advance(5ms);
    advance(250ms);
    reply(lane_reply::kind::ack, 13, 1, other);
    add(16, 21);
  }
};

} // namespace

TEST_CASE_METHOD(detach_fixture, "a lane without credit holds its partition "
                                 "for a while, then the others go on") {
  block();
  auto at = counter("position");
  CHECK(at < 21);
  ticks(5);
  CHECK(counter("position") == at);
  CHECK(counter("detached") == 0);
  ticks(5);
  CHECK(counter("detached") == 1);
  CHECK(counter("position") == 21);
  CHECK(counter("catch_up_position") == -1);
  add(21, 22);
  CHECK(sent(other) == texts{"13-22 #1"});
  CHECK(sent().empty());
  CHECK(kafka->caught_up.empty());
}

TEST_CASE_METHOD(detach_fixture, "a detached lane is caught up once it has "
                                 "credit, and rejoins exactly") {
  block();
  ticks(10);
  REQUIRE(counter("detached") == 1);
  add(21, 22);
  reply(lane_reply::kind::ack, 13, 1);
  CHECK(kafka->caught_up == std::vector<int64_t>{13});
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  // Each ack lets two more rows go.
  texts all;
  for (int64_t to = 15; to <= 21; to += 2) {
    advance(5ms);
    for (const auto& x : sent())
      all.push_back(x);
    reply(lane_reply::kind::ack, to, 1);
  }
  CHECK(all == texts{"13-15 #1", "15-17 #1", "17-19 #1", "19-21 #1"});
  CHECK(counter("detached") == 0);
  CHECK(counter("catch_up_position") == -1);
  // The queue of the catch-up is given back.
  CHECK(kafka->catch_up_queues.back().use_count() == 1);
  add(22, 23);
  CHECK(sent() == texts{"21-23 #1"});
}

TEST_CASE_METHOD(detach_fixture, "a lane that is resumed is caught up without "
                                 "a new start") {
  credit_bytes = std::size_t{4} << 20;
  store->view.lanes[other].state = lane_state::halted;
  start();
  add(13, 22);
  CHECK(sent(other).empty());
  store->view.lanes[other].state = lane_state::active;
  ticks(20);
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  CHECK(kafka->caught_up == std::vector<int64_t>{10});
  CHECK(sent(other) == texts{"10-22 #2"});
  CHECK(counter("detached") == 0);
}

TEST_CASE_METHOD(detach_fixture, "a lane that halts stops nobody else") {
  credit_bytes = std::size_t{4} << 20;
  start();
  sent();
  sent(other);
  store->view.lanes[other].state = lane_state::halted;
  ticks(20);
  add(20, 23);
  advance(5ms);
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  CHECK_FALSE(sent().empty());
  CHECK(sent(other).empty());
}

TEST_CASE_METHOD(detach_fixture, "a lane that retention ran past is halted in "
                                 "its row, the others are read") {
  credit_bytes = std::size_t{4} << 20;
  store->view.lanes[other].effective = {5};
  store->view.floor = {5};
  kafka->bounds = {{8}, {100}};
  start();
  REQUIRE(store->losses.asked.size() == 1);
  CHECK(store->losses.asked[0].lane == ids[other]);
  CHECK(store->losses.asked[0].effective == offset{5});
  CHECK(store->losses.asked[0].reason.starts_with("RETENTION_LOSS"));
  CHECK(report().state == "reading");
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  CHECK_FALSE(sent().empty());
  CHECK(sent(other).empty());
  ticks(40);
  CHECK(store->losses.asked.size() == 1);
}

TEST_CASE_METHOD(detach_fixture, "a loss that could not be written is told "
                                 "again") {
  credit_bytes = std::size_t{4} << 20;
  store->view.lanes[other].effective = {5};
  kafka->bounds = {{8}, {100}};
  store->losses.queued.push_back(
    caf::make_error(store_errc::unavailable, "away"));
  start();
  CHECK(store->losses.asked.size() == 1);
  ticks(20);
  CHECK(store->losses.asked.size() == 2);
  CHECK(sent(other).empty());
}

TEST_CASE_METHOD(detach_fixture, "an offset out of range starts again from "
                                 "durable truth") {
  credit_bytes = std::size_t{4} << 20;
  start();
  kafka->queues.back()->error = kafka_error{kafka_errc::offset_out_of_range,
                                            kafka_action::halt, 0, "gone"};
  // Meanwhile retention has run past the lanes.
  kafka->bounds = {{12}, {100}};
  store->view.lanes[0].effective = {13};
  self->send(aut, records_ready_atom_v);
  drain();
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(report().state == "reading");
  CHECK(store->losses.asked.size() == 1);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 13});
}

TEST_CASE_METHOD(detach_fixture, "another read error that does not pass halts "
                                 "the partition") {
  start();
  kafka->queues.back()->error = kafka_error{kafka_errc::corrupt,
                                            kafka_action::halt, 0, "broken"};
  self->send(aut, records_ready_atom_v);
  drain();
  CHECK(report().state == "halted");
}

TEST_CASE_METHOD(detach_fixture, "a catch-up without a reader waits a while; "
                                 "the main reading goes on") {
  credit_bytes = std::size_t{4} << 20;
  store->view.lanes[other].state = lane_state::halted;
  start();
  kafka->catch_up_error = caf::make_error(source_errc::retry, "no broker");
  store->view.lanes[other].state = lane_state::active;
  ticks(20);
  CHECK(report().state == "reading");
  CHECK(kafka->caught_up.size() == 1);
  add(13, 16);
  advance(250ms);
  CHECK(counter("position") == 16);
  kafka->catch_up_error = {};
  ticks(4);
  CHECK(kafka->caught_up.size() == 2);
  CHECK(sent(other) == texts{"10-16 #2"});
}

TEST_CASE_METHOD(detach_fixture, "a catch-up that was taken away is begun "
                                 "again") {
  credit_bytes = std::size_t{4} << 20;
  store->view.lanes[other].state = lane_state::halted;
  start();
  kafka->hold_verify = true;
  auto log = std::exchange(kafka->log, {});
  store->view.lanes[other].state = lane_state::active;
  ticks(20);
  REQUIRE(kafka->catch_up_queues.size() == 1);
  kafka->log = log;
  kafka->catch_up_queues.back()->taken = true;
  self->send(aut, records_ready_atom_v);
  drain();
  CHECK(report().state == "reading");
  CHECK(kafka->caught_up.size() == 1);
  ticks(4);
  CHECK(kafka->caught_up.size() == 2);
  CHECK(sent(other) == texts{"10-13 #2"});
}

TEST_CASE_METHOD(detach_fixture, "a hole in the catch-up is verified before "
                                 "its lanes rejoin") {
  credit_bytes = std::size_t{4} << 20;
  store->view.lanes[other].state = lane_state::halted;
  start();
  // The second client does not deliver the last record.
  kafka->log = {10, 11};
  kafka->hold_verify = true;
  store->view.lanes[other].state = lane_state::active;
  ticks(20);
  REQUIRE(kafka->catch_up_queues.size() == 1);
  kafka->catch_up_queues.back()->end_at(13);
  drain();
  REQUIRE(kafka->verified.size() == 1);
  CHECK(kafka->verified[0] == offset_range{{12}, {13}});
  CHECK(counter("detached") == 1);
  SECTION("nothing is there") {
    kafka->second_reader = {10, 11};
    self->send(source, start_atom_v);
    drain();
    CHECK(counter("detached") == 0);
    advance(5ms);
    CHECK(sent(other).size() == 1);
  }
  SECTION("a record is there") {
    self->send(source, start_atom_v);
    drain();
    CHECK(report().state == "waiting");
  }
}

TEST_CASE_METHOD(detach_fixture, "a catch-up that stays silent is assigned "
                                 "anew, then the client is given up") {
  credit_bytes = std::size_t{4} << 20;
  stall = 5s;
  kafka->bounds = {{0}, {13}};
  store->view.lanes[other].state = lane_state::halted;
  start();
  kafka->log = {};
  reply(lane_reply::kind::ack, 13, 1);
  store->view.lanes[0].effective = {13};
  store->view.lanes[other].state = lane_state::active;
  ticks(20);
  REQUIRE(kafka->caught_up.size() == 1);
  self->monitor(source);
  ticks(21);
  CHECK(kafka->caught_up.size() == 2);
  CHECK(kafka->assigned.size() == 1);
  ticks(21);
  bool gone = false;
  self->receive([&](const caf::down_msg& x) { gone = x.source == source; },
                caf::after(0s) >> [] {});
  CHECK(gone);
}
