#include "tests/source/feed_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(feed_fixture, "a batch says where it comes from and what it "
                               "was made for") {
  read(1, 10);
  auto cut = feed.cut_all(now);
  REQUIRE(cut.size() == 1);
  const auto& x = *cut[0].data;
  CHECK(x.lane == ids[1]);
  CHECK(x.source == config().source);
  CHECK(x.topic == "t");
  CHECK(x.map_version == map_version{3});
  CHECK(x.shape == shape{7});
  CHECK(x.rewind == millrace::rewind{1});
  CHECK(x.events == 1);
}

TEST_CASE_METHOD(feed_fixture, "a lane without events gets nothing") {
  read(1, 10);
  read(2, 11);
  read(1, 12);
  CHECK(show(feed.cut_all(now)) == texts{"1: 10-13 = 10 12", "2: 10-13 = 11"});
  feed.skip_to({20});
  CHECK(feed.cut_all(now).empty());
  read(2, 20);
  CHECK(show(feed.cut_all(now)) == texts{"2: 13-21 = 20"});
}

TEST_CASE_METHOD(feed_fixture, "while the floor stands still idle lanes get a "
                               "range without events, others what they have") {
  auto has_writer = [](std::size_t lane) { return lane != 3; };
  CHECK(feed.cut_behind(now, has_writer).empty());
  read(1, 10);
  feed.skip_to({50});
  CHECK(feed.cut_behind(now, has_writer).empty());
  now += 6min;
  auto cut = feed.cut_behind(now, has_writer);
  CHECK(show(cut) == texts{"0: 10-50 =", "2: 10-50 ="});
  CHECK(cut[0].data->events == 0);
  CHECK(show(feed.cut_all(now)) == texts{"1: 10-50 = 10"});
}

TEST_CASE_METHOD(feed_fixture, "records are routed by tenant and hash") {
  REQUIRE(feed.begin({10}) == record_verdict::expected);
  CHECK(feed.open("nobody", 0) == nullptr);
  REQUIRE(feed.open("demo", 6) != nullptr);
  CHECK(feed.open("demo", 6)->lane == ids[1]);
  CHECK(feed.open("demo", 7)->lane == ids[2]);
  CHECK(feed.unrouted().lane == ids[0]);
}

TEST_CASE_METHOD(feed_fixture, "a tenant whose lanes belong to an older map is "
                               "not fed") {
  REQUIRE(feed.begin({10}) == record_verdict::expected);
  CHECK(feed.open("old", 0) == nullptr);
}

TEST_CASE_METHOD(feed_fixture, "full batches are cut at their limits") {
  SECTION("of rows") {
    read(1, 10);
    read(2, 11);
    read(1, 12);
    CHECK_FALSE(feed.any_full());
    read(1, 13);
    CHECK(feed.any_full());
    CHECK(show(feed.cut_full(now)) == texts{"1: 10-14 = 10 12 13"});
  }
  SECTION("of bytes") {
    read(2, 10);
    read(1, 11, 2'000);
    CHECK(feed.any_full());
    CHECK(show(feed.cut_full(now)) == texts{"1: 10-12 = 11"});
  }
  CHECK_FALSE(feed.any_full());
  CHECK(feed.has_open_events());
}

TEST_CASE_METHOD(feed_fixture, "an idle lane gets its batch at once") {
  read(1, 10);
  CHECK(show(feed.cut_idle(now)) == texts{"1: 10-11 = 10"});
  read(1, 11);
  read(2, 12);
  CHECK(show(feed.cut_idle(now)) == texts{"2: 10-13 = 12"});
  ack(1, 11);
  CHECK(show(feed.cut_idle(now)) == texts{"1: 11-13 = 11"});
}

TEST_CASE_METHOD(feed_fixture, "events that their lane has already are "
                               "skipped, but touch it") {
  auto seen = view(10);
  seen.lanes[1].effective = {15};
  feed.assign(seen, {{0}, {1'000}});
  for (int64_t at = 10; at < 16; ++at)
    read(1, at);
  CHECK(show(feed.cut_all(now)) == texts{"1: 15-16 = 15"});
}

TEST_CASE_METHOD(feed_fixture, "a halted lane's events are skipped") {
  auto seen = view(10);
  seen.lanes[1].state = lane_state::halted;
  feed.assign(seen, {{0}, {1'000}});
  read(1, 10);
  read(2, 11);
  CHECK(show(feed.cut_all(now)) == texts{"2: 10-12 = 11"});
}

TEST_CASE_METHOD(feed_fixture, "before a rewind the other lanes' open batches "
                               "are cut, so that nothing is read into them "
                               "twice") {
  read(1, 10);
  feed.cut_all(now);
  read(2, 11);
  read(1, 12);
  auto x = nack(1, 10, 1);
  CHECK(x.reread);
  CHECK(show(x.batches) == texts{"2: 10-13 = 11"});
  CHECK(feed.cursor().position() == offset{10});
  CHECK_FALSE(feed.has_open_events());
  read(1, 10);
  read(2, 11);
  read(1, 12);
  auto again = feed.cut_all(now);
  CHECK(show(again) == texts{"1: 10-13 = 10 12"});
  CHECK(again[0].data->rewind == millrace::rewind{2});
}

TEST_CASE_METHOD(feed_fixture, "a stale nack changes nothing") {
  read(1, 10);
  feed.cut_all(now);
  read(1, 11);
  auto x = nack(1, 10, 0);
  CHECK_FALSE(x.reread);
  CHECK(x.batches.empty());
  CHECK(show(feed.cut_all(now)) == texts{"1: 11-12 = 11"});
}

TEST_CASE_METHOD(feed_fixture, "a second nack that reading covers already "
                               "asks for no other assignment") {
  read(1, 10);
  read(2, 11);
  feed.cut_all(now);
  CHECK(nack(1, 10, 1).reread);
  auto x = nack(2, 10, 1);
  CHECK_FALSE(x.reread);
  CHECK(x.batches.empty());
  read(1, 10);
  read(2, 11);
  CHECK(show(feed.cut_all(now)) == texts{"1: 10-12 = 10", "2: 10-12 = 11"});
}

TEST_CASE_METHOD(feed_fixture, "an audit cuts what is open and sends again "
                               "what is overdue") {
  read(1, 10);
  feed.cut_all(now);
  read(2, 11);
  feed.writer_changed(1);
  auto x = feed.audit(view(10), now);
  CHECK(x.reread);
  CHECK(show(x.batches) == texts{"2: 10-12 = 11"});
  read(1, 10);
  read(2, 11);
  CHECK(show(feed.cut_all(now)) == texts{"1: 10-12 = 10"});
}

TEST_CASE_METHOD(feed_fixture, "a hand-back makes the lane overdue") {
  read(1, 10);
  feed.cut_all(now);
  feed.answer(1, {lane_reply::kind::hand_back, config().source, {10}, {1}},
              now);
  CHECK(feed.cursor().needs_resync(now));
  CHECK(feed.audit(view(10), now).reread);
}

TEST_CASE_METHOD(feed_fixture, "a new assignment drops what was open") {
  read(1, 10);
  feed.assign(view(10), {{0}, {1'000}});
  CHECK_FALSE(feed.has_open_events());
  CHECK(feed.open_bytes() == 0);
  read(1, 10);
  CHECK(show(feed.cut_all(now)) == texts{"1: 10-11 = 10"});
}

TEST_CASE_METHOD(feed_fixture, "the hint stays below what is open") {
  read(1, 10);
  read(2, 11);
  CHECK(feed.durable_hint() == offset{10});
  feed.cut_all(now);
  CHECK(feed.durable_hint() == offset{10});
  ack(1, 12);
  ack(2, 12);
  CHECK(feed.durable_hint() == offset{12});
}

TEST_CASE_METHOD(feed_fixture, "lanes are found by their id") {
  CHECK(feed.index_of(ids[2]) == 2);
  CHECK_FALSE(feed.index_of({"ticks", "demo", shard{9}}));
}

TEST_CASE("a lane without its tenant's credit is blocked, but one batch may "
          "always be on its way") {
  partition_feed::clock::time_point start{1h};
  auto pool = std::make_shared<credit_pool>(credit_limits{.bytes = 1}, start);
  feed_fixture x{pool};
  x.read(1, 10);
  x.read(2, 11);
  // Both are idle: each is sent one, however full the pool is.
  CHECK(x.show(x.feed.cut_all(x.now))
        == texts{"1: 10-12 = 10", "2: 10-12 = 11"});
  CHECK(pool->used() > 1);
  for (auto at : {12, 13, 14})
    x.read(1, at);
  CHECK(x.feed.cut_full(x.now).empty());
  CHECK(x.feed.is_blocked(reading_kind::main, x.now));
  // Another tenant's lanes do not wait for this one's.
  x.read(0, 15);
  CHECK(x.show(x.feed.cut_all(x.now)) == texts{"0: 10-16 = 15"});
  x.ack(1, 12);
  CHECK_FALSE(x.feed.is_blocked(reading_kind::main, x.now));
  CHECK(x.show(x.feed.cut_full(x.now)) == texts{"1: 12-16 = 12 13 14"});
  // What was on its way is not any more, whatever becomes of it.
  x.feed.assign(x.view(10), {{0}, {1'000}});
  CHECK(pool->used() == 0);
}

TEST_CASE("a lane beyond its tenant's rate waits for time to pass") {
  partition_feed::clock::time_point start{1h};
  auto pool = std::make_shared<credit_pool>(credit_limits{.rows_per_second = 2},
                                            start);
  feed_fixture x{pool};
  x.read(1, 10);
  x.read(1, 11);
  CHECK(x.feed.cut_all(x.now).size() == 1);
  x.ack(1, 12);
  x.read(1, 12);
  CHECK(x.feed.cut_all(x.now).empty());
  x.now += 600ms;
  x.feed.watch(x.now);
  CHECK(x.show(x.feed.cut_all(x.now)) == texts{"1: 12-13 = 12"});
}
