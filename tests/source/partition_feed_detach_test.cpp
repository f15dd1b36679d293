#include "tests/source/feed_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

struct detach_fixture : feed_fixture {
  static constexpr auto catch_up = reading_kind::catch_up;

  /// The catch-up meets the record.
  void again(std::size_t lane, int64_t at) {
    read(lane, at, 1, catch_up);
  }

  partition_feed::catch_up_plan tend(bool verified = true) {
    return feed.tend(verified, true, now);
  }

  lane_mode mode(std::size_t lane) const {
    return feed.cursor().mode(lane);
  }

  bool is_blocked(reading_kind which = reading_kind::main) const {
    return feed.is_blocked(which, now);
  }

  /// Sends the lane more than its credit, beginning at the position.
  int64_t exhaust(std::size_t lane, int64_t at) {
    read(lane, at, 100'000);
    feed.cut_all(now);
    CHECK_FALSE(feed.cursor().has_credit(lane));
    return at + 1;
  }
};

} // namespace

TEST_CASE_METHOD(detach_fixture, "a lane without credit collects until its "
                                 "batch is full, then it blocks its reading") {
  auto at = exhaust(1, 10);
  read(1, at);
  read(1, at + 1);
  CHECK_FALSE(is_blocked());
  CHECK(feed.cut_all(now).empty());
  read(2, at + 2);
  read(1, at + 3);
  CHECK(is_blocked());
  CHECK(show(feed.cut_full(now)).empty());
  CHECK(show(feed.cut_all(now)) == texts{"2: 10-15 = 13"});
  ack(1, 11);
  CHECK_FALSE(is_blocked());
  CHECK(show(feed.cut_all(now)) == texts{"1: 11-15 = 11 12 14"});
}

TEST_CASE_METHOD(detach_fixture, "what a detached lane had open is dropped, "
                                 "and the catch-up brings it again") {
  read(1, 10);
  read(2, 11);
  feed.cut_all(now);
  read(2, 12);
  feed.detach(2);
  CHECK_FALSE(feed.has_open_events());
  read(2, 13);
  read(1, 14);
  auto plan = tend();
  CHECK(plan.start);
  CHECK_FALSE(plan.stop);
  CHECK(feed.cursor().position(catch_up) == offset{12});
  again(2, 12);
  again(2, 13);
  again(1, 14);
  plan = tend();
  CHECK(plan.stop);
  CHECK_FALSE(plan.start);
  CHECK(mode(2) == lane_mode::attached);
  // Its open batch just goes on.
  read(2, 15);
  CHECK(show(feed.cut_all(now))
        == texts{"1: 12-16 = 14", "2: 12-16 = 12 13 15"});
}

TEST_CASE_METHOD(detach_fixture, "events on the boundary are brought by one "
                                 "reading only") {
  read(2, 10);
  feed.detach(2);
  tend();
  read(2, 11);
  again(2, 10);
  again(2, 11);
  CHECK(feed.begin({12}, catch_up) == record_verdict::beyond);
  tend();
  read(2, 12);
  CHECK(show(feed.cut_all(now)) == texts{"2: 10-13 = 10 11 12"});
}

TEST_CASE_METHOD(detach_fixture, "a hole on the boundary keeps the lanes until "
                                 "it is verified") {
  read(2, 10);
  feed.detach(2);
  tend();
  feed.skip_to({20});
  again(2, 10);
  feed.skip_to({20}, catch_up);
  CHECK_FALSE(tend(false).stop);
  CHECK(is_blocked());
  CHECK(mode(2) == lane_mode::catching_up);
  CHECK(tend(true).stop);
  CHECK_FALSE(is_blocked());
  CHECK(show(feed.cut_all(now)) == texts{"2: 10-20 = 10"});
}

TEST_CASE_METHOD(detach_fixture, "a lane that blocks the catch-up leaves it "
                                 "when others are held up") {
  read(1, 10);
  read(2, 11);
  feed.detach(1);
  feed.detach(2);
  for (int64_t at = 12; at < 20; ++at)
    read(1, at);
  read(2, 20);
  REQUIRE(tend().start);
  read(1, 10, 100'000, catch_up);
  CHECK(feed.cut_full(now, catch_up).size() == 1);
  again(2, 11);
  for (int64_t at = 12; at < 15; ++at)
    again(1, at);
  CHECK(is_blocked(catch_up));
  CHECK_FALSE(tend().stop);
  CHECK(mode(1) == lane_mode::detached);
  CHECK(mode(2) == lane_mode::catching_up);
  CHECK_FALSE(is_blocked(catch_up));
  CHECK(show(feed.cut_all(now, catch_up)) == texts{"2: 10-15 = 11"});
  // Its cut is where it was sent up to.
  for (int64_t at = 15; at < 20; ++at)
    again(1, at);
  again(2, 20);
  CHECK(tend().stop);
  CHECK_FALSE(tend().start);
  ack(1, 11);
  CHECK(tend().start);
  CHECK(feed.cursor().position(catch_up) == offset{11});
}

TEST_CASE_METHOD(detach_fixture, "a catch-up for one lane waits for its "
                                 "credit") {
  read(1, 10);
  feed.detach(1);
  for (int64_t at = 11; at < 20; ++at)
    read(1, at);
  REQUIRE(tend().start);
  read(1, 10, 100'000, catch_up);
  feed.cut_full(now, catch_up);
  for (int64_t at = 11; at < 14; ++at)
    again(1, at);
  CHECK(is_blocked(catch_up));
  CHECK_FALSE(tend().stop);
  CHECK(mode(1) == lane_mode::catching_up);
  ack(1, 11);
  CHECK_FALSE(is_blocked(catch_up));
  CHECK(show(feed.cut_full(now, catch_up)) == texts{"1: 11-14 = 11 12 13"});
}

TEST_CASE_METHOD(detach_fixture, "a lane that is blocked where it would rejoin "
                                 "stays behind") {
  read(1, 10);
  feed.detach(1);
  for (int64_t at = 11; at < 14; ++at)
    read(1, at);
  REQUIRE(tend().start);
  read(1, 10, 100'000, catch_up);
  feed.cut_full(now, catch_up);
  for (int64_t at = 11; at < 14; ++at)
    again(1, at);
  CHECK(tend().stop);
  CHECK(mode(1) == lane_mode::detached);
  CHECK_FALSE(is_blocked());
}

TEST_CASE_METHOD(detach_fixture, "a nack while catching up starts the next run "
                                 "at what it expects") {
  read(1, 10);
  read(2, 11);
  feed.cut_all(now);
  feed.detach(2);
  read(2, 12);
  read(2, 13);
  REQUIRE(tend().start);
  again(2, 12);
  CHECK(show(feed.cut_all(now, catch_up)) == texts{"2: 12-13 = 12"});
  again(2, 13);
  auto x = nack(2, 11, 1);
  CHECK_FALSE(x.reread);
  CHECK(x.batches.empty());
  CHECK_FALSE(feed.has_open_events());
  auto plan = tend();
  CHECK(plan.stop);
  CHECK(plan.start);
  for (int64_t at = 11; at < 14; ++at)
    again(2, at);
  tend();
  CHECK(show(feed.cut_all(now)) == texts{"2: 11-14 = 11 12 13"});
}

TEST_CASE_METHOD(detach_fixture, "a rewind reads again what could not be sent "
                                 "for lack of credit") {
  auto at = exhaust(2, 10);
  read(2, at);
  read(1, at + 1, 90'000);
  feed.cut_all(now);
  read(1, at + 2, 90'000);
  feed.cut_all(now);
  read(2, at + 3);
  // Lane 1 has most of the traffic; what is open for lane 2 begins below.
  auto x = nack(1, 12, 1);
  CHECK(x.reread);
  CHECK(x.batches.empty());
  CHECK(feed.cursor().position() == offset{11});
  ack(2, 11);
  read(2, 11);
  read(1, 12);
  read(1, 13);
  read(2, 14);
  CHECK(show(feed.cut_all(now))
        == texts{"1: 12-15 = 12 13", "2: 11-15 = 11 14"});
}

TEST_CASE_METHOD(detach_fixture, "so does an audit") {
  auto at = exhaust(2, 10);
  read(2, at);
  read(1, at + 1, 90'000);
  feed.cut_all(now);
  read(1, at + 2, 90'000);
  feed.cut_all(now);
  feed.writer_changed(1);
  auto seen = view(10);
  seen.lanes[1].effective = {12};
  CHECK(feed.audit(seen, now).reread);
  CHECK(feed.cursor().position() == offset{11});
  CHECK_FALSE(feed.has_open_events());
  ack(2, 11);
  read(2, 11);
  CHECK(show(feed.cut_all(now)) == texts{"2: 11-12 = 11"});
}

TEST_CASE_METHOD(detach_fixture, "a lane that halts has nothing open, one that "
                                 "is resumed is caught up") {
  read(1, 10);
  read(2, 11);
  auto seen = view(10);
  seen.lanes[2].state = lane_state::halted;
  feed.audit(seen, now);
  CHECK_FALSE(feed.has_open_events());
  CHECK_FALSE(tend().start);
  read(2, 12);
  feed.audit(view(10), now);
  REQUIRE(tend().start);
  again(1, 10);
  again(2, 11);
  again(2, 12);
  tend();
  CHECK(show(feed.cut_all(now)) == texts{"2: 10-13 = 11 12"});
}

TEST_CASE_METHOD(detach_fixture, "a lane that holds the partition is detached, "
                                 "and the others go on") {
  // Both have had traffic.
  read(2, 10);
  feed.cut_all(now);
  ack(2, 11);
  auto at = exhaust(1, 11);
  for (int i = 0; i < 3; ++i)
    read(1, at++);
  REQUIRE(is_blocked());
  now += 100ms;
  read(2, at++);
  feed.cut_all(now);
  ack(2, at);
  for (int i = 0; i < 7; ++i) {
    feed.watch(now);
    CHECK(is_blocked());
    now += 250ms;
  }
  now += 250ms;
  feed.watch(now);
  CHECK(mode(1) == lane_mode::detached);
  CHECK_FALSE(is_blocked());
  CHECK(feed.open_bytes() == 0);
  CHECK_FALSE(tend().start);
  ack(1, 12);
  CHECK(tend().start);
  CHECK(feed.cursor().position(catch_up) == offset{12});
}
