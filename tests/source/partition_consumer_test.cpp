#include "actors/admin/metric_names.hpp"
#include "actors/admin/metric_snapshot.hpp"
#include "tests/source/consumer_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(consumer_fixture, "a consumer reads the view, the log and "
                                   "acts on the floor before it reads") {
  start();
  CHECK(store->views.asked.size() == 1);
  REQUIRE(store->floors.asked.size() == 1);
  CHECK(store->floors.asked[0].act.full);
  CHECK(kafka->assigned == std::vector<int64_t>{10});
  CHECK(listeners->size() == 1);
  CHECK(report().state == "reading");
  CHECK(sent() == texts{"10-13 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "an idle lane gets its batch at once, a "
                                   "busy one after the linger time") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  kafka->queues.back()->add(13);
  drain();
  CHECK(sent().empty());
  advance(5ms);
  CHECK(sent() == texts{"13-14 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "nothing is read before the first floor "
                                   "act was answered") {
  store->floors.queued.push_back(
    caf::make_error(store_errc::unavailable, "away"));
  start();
  CHECK(kafka->assigned.empty());
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(kafka->assigned.size() == 1);
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "another incarnation of the topic halts "
                                   "the partition") {
  kafka->bounds_error = caf::make_error(source_errc::halt, "another topic");
  start();
  CHECK(report().state == "halted");
  advance(1h);
  CHECK(kafka->assigned.empty());
  kafka->bounds_error = {};
  self->send(aut, resume_atom_v);
  drain();
  advance(100ms);
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "a partition that is halted by its row is "
                                   "read once the row is active again") {
  store->view.halted = true;
  start();
  CHECK(report().state == "halted");
  CHECK(report().note.contains("millrace lanes resume --partition "));
  advance(1h);
  CHECK(report().state == "halted");
  CHECK(kafka->assigned.empty());
  store->view.halted = false;
  advance(5s);
  advance(1s);
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "a lane that somebody has halted shows "
                                   "below its partitions") {
  start();
  CHECK(report().children.empty());
  store->view.lanes[0].state = lane_state::halted;
  advance(10s);
  auto shown = report().children;
  REQUIRE(shown.size() == 1);
  CHECK(shown[0].name == to_string(store->view.lanes[0].lane));
  CHECK(shown[0].state == "halted");
  store->view.lanes[0].state = lane_state::active;
  advance(10s);
  CHECK(report().children.empty());
}

TEST_CASE_METHOD(consumer_fixture, "a truncated log halts the partition") {
  kafka->bounds = {{0}, {9}};
  start();
  CHECK(report().state == "halted");
  CHECK(kafka->assigned.empty());
}

TEST_CASE_METHOD(consumer_fixture, "a nack leads to a new assignment at the "
                                   "expected offset") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  reply(lane_reply::kind::nack, 11, 1);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 11});
  advance(5ms);
  CHECK(sent() == texts{"11-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "a queue that stays silent although records "
                                   "are there is assigned anew") {
  stall = partition_reading_config{}.stall;
  start();
  advance(stall);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 13});
  // A second time in a row the client is given up, and its consumers with it.
  self->monitor(source);
  advance(stall + 250ms);
  bool gone = false;
  self->receive([&](const caf::down_msg& x) { gone = x.source == source; });
  CHECK(gone);
  CHECK(kafka->assigned.size() == 2);
}

TEST_CASE_METHOD(consumer_fixture, "of two assignments under way only the "
                                   "last one is read") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  kafka->hold_assign = true;
  reply(lane_reply::kind::nack, 12, 1);
  reply(lane_reply::kind::nack, 11, 2);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 12, 11});
  // The answer to the first one comes before the second one is served.
  kafka->queues[1]->taken = false;
  self->send(source, poll_atom_v);
  drain();
  CHECK(sent().empty());
  self->send(source, poll_atom_v);
  drain();
  advance(5ms);
  CHECK(sent() == texts{"11-13 #3"});
  CHECK(kafka->verified.empty());
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "a batch without a writer is sent again "
                                   "once there is one") {
  start(false);
  CHECK(sent().empty());
  route();
  advance(250ms);
  advance(5ms);
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "a batch that stays without an ack is sent "
                                   "again") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  for (int i = 0; i < 39; ++i)
    advance(250ms);
  CHECK(sent().empty());
  for (int i = 0; i < 4; ++i)
    advance(250ms);
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "an ack that overtakes the view is not "
                                   "void") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  store->views.hold = true;
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  REQUIRE(store->views.asked.size() == 2);
  reply(lane_reply::kind::ack, 13, 1);
  store->views.hold = false;
  store->views.release(store->view);
  self->send(pool, session_notice{});
  drain();
  CHECK(kafka->assigned.size() == 1);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(consumer_fixture, "the floor follows the acks, and each act "
                                   "is followed by an audit") {
  start();
  for (auto& x : store->view.lanes)
    x.effective = {13};
  reply(lane_reply::kind::ack, 13, 1);
  auto views = store->views.asked.size();
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  REQUIRE(store->floors.asked.size() == 2);
  const auto& act = store->floors.asked[1].act;
  CHECK_FALSE(act.full);
  CHECK(act.to == offset{13});
  REQUIRE(act.touched.size() == 1);
  CHECK(act.touched[0].id == ids[0]);
  CHECK(act.touched[0].end == offset{13});
  CHECK(store->views.asked.size() == views + 1);
  CHECK(kafka->assigned.size() == 1);
  CHECK(kafka->hints.size() == 1);
}

TEST_CASE_METHOD(consumer_fixture, "acks that the database does not know are "
                                   "void") {
  start();
  CHECK(sent() == texts{"10-13 #1"});
  reply(lane_reply::kind::ack, 13, 1);
  // The lanes have stayed where they were: the commit was lost in a failover.
  for (int i = 0; i < 20; ++i)
    advance(250ms);
  advance(5ms);
  CHECK(kafka->assigned == std::vector<int64_t>{10, 10});
  CHECK(sent() == texts{"10-13 #2"});
}

TEST_CASE_METHOD(consumer_fixture, "an assignment that was taken away starts "
                                   "again from durable truth") {
  start();
  kafka->queues.back()->taken = true;
  self->send(aut, records_ready_atom_v);
  drain();
  CHECK(report().state == "waiting");
  advance(100ms);
  CHECK(store->views.asked.size() == 2);
  CHECK(report().state == "reading");
}

TEST_CASE_METHOD(consumer_fixture, "a consumer ends with its SOURCE, and fails "
                                   "with its ROUTER") {
  start();
  self->monitor(aut);
  SECTION("SOURCE") {
    self->send_exit(source, caf::exit_reason::kill);
    drain();
    auto reason = end();
    REQUIRE(reason);
    CHECK_FALSE(*reason);
  }
  SECTION("ROUTER") {
    self->send_exit(router, caf::exit_reason::kill);
    drain();
    auto reason = end();
    REQUIRE(reason);
    CHECK(*reason == caf::sec::runtime_error);
  }
}

TEST_CASE_METHOD(consumer_fixture, "holes that are allowed are passed without "
                                   "a second look") {
  gaps = gap_policy::allow;
  kafka->log = {10, 15};
  start();
  CHECK(kafka->verified.empty());
  CHECK(sent() == texts{"10-16 #1"});
}

TEST_CASE_METHOD(consumer_fixture, "where gaps is strict, a hole halts the "
                                   "partition") {
  gaps = gap_policy::strict;
  kafka->log = {10, 15};
  start();
  CHECK(kafka->verified.empty());
  CHECK(report().state == "halted");
  CHECK(report().note.contains("offsets 11 to 14"));
  advance(1h);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(consumer_fixture, "a record that a dead letter needs is asked "
                                   "of the SOURCE, in whatever state") {
  kafka->record.bytes = "a record";
  store->views.hold = true;
  start();
  auto ask = [this](const partition_id& which) {
    auto pending = self->request(aut, caf::infinite,
                                 record_request{which, {11}, 5});
    drain();
    caf::expected<frame> result{caf::make_error(caf::sec::none)};
    pending.receive([&](frame& x) { result = std::move(x); },
                    [&](caf::error& x) { result = std::move(x); });
    return result;
  };
  auto got = ask(partition_id{});
  REQUIRE(got);
  CHECK(got->bytes == "a record");
  REQUIRE(kafka->fetched.size() == 1);
  CHECK(kafka->fetched[0].topic == "t");
  CHECK(kafka->fetched[0].at == offset{11});
  CHECK(kafka->fetched[0].from == 5);
  // Its failure is the asker's.
  kafka->fetch_error = caf::make_error(source_errc::retry, "no broker");
  CHECK(ask(partition_id{}).error() == source_errc::retry);
  partition_id other;
  other.number = partition{7};
  kafka->fetch_error = {};
  CHECK_FALSE(ask(other));
  CHECK(kafka->fetched.size() == 2);
}

TEST_CASE_METHOD(consumer_fixture, "no lag is told before the end of the "
                                   "partition is known") {
  auto told = [this] {
    return label_values(take_snapshot(sys.metrics()),
                        metric_names::lag_messages.name, "partition");
  };
  kafka->bounds_error = caf::make_error(source_errc::retry, "no broker");
  start();
  CHECK(report().state == "waiting");
  advance(10s);
  CHECK(told().empty());
  kafka->bounds_error = {};
  advance(60s);
  CHECK(report().state == "reading");
  advance(1s);
  CHECK(told() == texts{"0"});
}
