#include "tests/lane/cursor_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

// -- rules 2 to 4 -------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "reading starts at the least effective "
                                 "offset of the active lanes") {
  assign(view_of(30, 20, 25));
  CHECK(cursor.position() == offset{20});
  assign(halted_lane(view_of(30, 20, 25), 1));
  CHECK(cursor.position() == offset{25});
  CHECK(cursor.halted() == partition_halt::none);
}

TEST_CASE_METHOD(cursor_fixture, "without an active lane reading starts at "
                                 "the floor") {
  auto view = view_of(30, 20, 25, 15);
  for (std::size_t i = 0; i < 3; ++i)
    view = halted_lane(view, i);
  assign(view);
  CHECK(cursor.position() == offset{15});
  CHECK_FALSE(cursor.wants(0, {40}));
}

TEST_CASE_METHOD(cursor_fixture, "a log that ends before a lane's offset is "
                                 "TRUNCATED, even if the lane is halted") {
  assign(view_of(30, 20, 25), {{0}, {29}});
  CHECK(cursor.halted() == partition_halt::truncated);
  CHECK(cursor.halt_reason().find("ticks/demo/0") != std::string::npos);
  assign(halted_lane(view_of(30, 20, 25), 0), {{0}, {29}});
  CHECK(cursor.halted() == partition_halt::truncated);
  assign(view_of(30, 20, 25), {{0}, {30}});
  CHECK(cursor.halted() == partition_halt::none);
}

TEST_CASE_METHOD(cursor_fixture, "a log that begins after an active lane's "
                                 "offset is that lane's RETENTION_LOSS, and no "
                                 "other's") {
  assign(view_of(30, 20, 25), {{21}, {100}});
  CHECK(cursor.halted() == partition_halt::none);
  CHECK(cursor.position() == offset{25});
  CHECK(mode(1) == lane_mode::inactive);
  CHECK(mode(0) == lane_mode::attached);
  auto lost = cursor.lost();
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].lane == 1);
  CHECK(lost[0].effective == offset{20});
  CHECK(lost[0].reason.starts_with("RETENTION_LOSS"));
  CHECK(lost[0].reason.find("from 20") != std::string::npos);
  assign(halted_lane(view_of(30, 20, 25), 1), {{21}, {100}});
  CHECK(cursor.lost().empty());
  assign(view_of(30, 20, 25), {{20}, {100}});
  CHECK(cursor.lost().empty());
}

TEST_CASE_METHOD(cursor_fixture, "where all lanes have lost, reading starts at "
                                 "what the log still has") {
  assign(view_of(30, 20, 25), {{50}, {100}});
  CHECK(cursor.halted() == partition_halt::none);
  CHECK(cursor.position() == offset{50});
  CHECK(cursor.lost().size() == 3);
}

TEST_CASE_METHOD(cursor_fixture, "a floor row that is halted halts the "
                                 "partition") {
  auto view = view_of(10, 10, 10);
  view.halted = true;
  assign(view);
  CHECK(cursor.halted() == partition_halt::by_row);
}

TEST_CASE_METHOD(cursor_fixture, "a new assignment leaves a halt behind") {
  cursor.halt(partition_halt::gap, "why");
  CHECK(cursor.halt_reason() == "why");
  assign(view_of(10, 10, 10));
  CHECK(cursor.halted() == partition_halt::none);
  CHECK(cursor.halt_reason().empty());
}

TEST_CASE_METHOD(cursor_fixture, "the first record must be at the position: "
                                 "earlier ones are stale, later ones a hole") {
  assign(view_of(20, 20, 20));
  CHECK(cursor.judge({19}) == record_verdict::stale);
  CHECK(cursor.judge({20}) == record_verdict::expected);
  CHECK(cursor.judge({21}) == record_verdict::hole);
  cursor.advance({25});
  CHECK(cursor.judge({24}) == record_verdict::stale);
  CHECK(cursor.judge({25}) == record_verdict::expected);
}

TEST_CASE_METHOD(cursor_fixture, "a lane wants nothing below its offset, and "
                                 "nothing at all while it is halted") {
  assign(halted_lane(view_of(10, 20, 10), 2));
  CHECK(cursor.wants(0, {10}));
  CHECK_FALSE(cursor.wants(1, {19}));
  CHECK(cursor.wants(1, {20}));
  CHECK_FALSE(cursor.wants(2, {10}));
}

// -- rules 6 and 7 ------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "a lane's ranges follow each other from its "
                                 "effective offset to the position") {
  assign(view_of(10, 20, 10));
  read(0, 15);
  auto first = send(0);
  CHECK(first.range == offset_range{{10}, {15}});
  read(1, 30);
  read(0, 40);
  CHECK(send(1).range == offset_range{{20}, {40}});
  auto second = send(0);
  CHECK(second.range == offset_range{{15}, {40}});
  CHECK(second.number == first.number);
}

TEST_CASE_METHOD(cursor_fixture, "bytes are lent until the ack, and credit "
                                 "ends at its limit") {
  assign(view_of(10, 10, 10));
  CHECK(cursor.is_idle(0));
  read(0, 20);
  send(0, 60);
  CHECK_FALSE(cursor.is_idle(0));
  CHECK(cursor.has_credit(0));
  read(0, 30);
  send(0, 40);
  CHECK_FALSE(cursor.has_credit(0));
  CHECK(cursor.has_credit(1));
  CHECK(cursor.lent_bytes() == 100);
  cursor.ack(0, {20}, now);
  CHECK(cursor.has_credit(0));
  CHECK(cursor.lent_bytes() == 40);
  cursor.ack(0, {30}, now);
  CHECK(cursor.is_idle(0));
  CHECK(cursor.lent_bytes() == 0);
}

TEST_CASE_METHOD(cursor_fixture, "an ack inside a batch frees nothing") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  send(0, 60);
  cursor.ack(0, {15}, now);
  CHECK(cursor.lent_bytes() == 60);
  CHECK(cursor.committed_hint() == offset{15});
}

TEST_CASE_METHOD(cursor_fixture, "an ack beyond what is cut counts up to the "
                                 "cut only") {
  assign(view_of(10, 10, 10));
  cursor.ack(0, {500}, now);
  CHECK(cursor.acks() == std::vector<offset>{{10}, {10}, {10}});
}

TEST_CASE_METHOD(cursor_fixture, "the hint is the least acknowledged offset "
                                 "of lanes with something on the way") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  send(0);
  cursor.advance({50});
  CHECK(cursor.committed_hint() == offset{10});
  cursor.ack(0, {20}, now);
  CHECK(cursor.committed_hint() == offset{50});
}

// -- rule 8 -------------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "a nack rewinds its lane and no other") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  auto first = send(0);
  read(1, 30);
  send(1);
  CHECK(cursor.nack(0, {12}, first.number, now));
  CHECK(cursor.position() == offset{12});
  CHECK(cursor.wants(0, {12}));
  CHECK_FALSE(cursor.wants(1, {12}));
  cursor.advance({30});
  auto again = send(0);
  CHECK(again.range == offset_range{{12}, {30}});
  CHECK(again.number == millrace::rewind{first.number.value + 1});
}

TEST_CASE_METHOD(cursor_fixture, "nacks that are about something else are "
                                 "ignored") {
  assign(halted_lane(view_of(10, 10, 10), 2));
  read(0, 20);
  auto sent = send(0);
  struct {
    std::size_t lane;
    int64_t expected;
    int64_t number;
  } cases[] = {
    {0, 12, sent.number.value - 1}, {0, 12, sent.number.value + 1},
    {0, 20, sent.number.value},     {0, 25, sent.number.value},
    {2, 5, sent.number.value},
  };
  for (const auto& x : cases) {
    CAPTURE(x.lane, x.expected, x.number);
    CHECK_FALSE(cursor.would_rewind(x.lane, {x.expected}, {x.number}));
    CHECK_FALSE(cursor.nack(x.lane, {x.expected}, {x.number}, now));
    CHECK(cursor.position() == offset{20});
  }
  CHECK(cursor.nack(0, {12}, sent.number, now));
  // The same nack once more is an old one now.
  CHECK_FALSE(cursor.nack(0, {12}, sent.number, now));
}

TEST_CASE_METHOD(cursor_fixture, "a nack at or above the position needs no "
                                 "second assignment") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  auto first = send(0);
  read(1, 30);
  auto second = send(1);
  REQUIRE(cursor.nack(0, {12}, first.number, now));
  CHECK_FALSE(cursor.nack(1, {12}, second.number, now));
  CHECK(cursor.wants(1, {12}));
}

TEST_CASE_METHOD(cursor_fixture, "what lies below a nack stays due until it "
                                 "is acknowledged") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  send(0, 30);
  read(0, 25);
  auto second = send(0, 30);
  SECTION("as a batch that ends there") {
    cursor.nack(0, {20}, second.number, now);
    CHECK(cursor.lent_bytes() == 30);
  }
  SECTION("as the rest of a batch that the nack has cut") {
    cursor.nack(0, {15}, second.number, now);
    CHECK(cursor.lent_bytes() == 0);
  }
  CHECK_FALSE(cursor.is_idle(0));
  CHECK_FALSE(cursor.needs_resync(now + 10s));
  CHECK(cursor.needs_resync(now + 10'001ms));
  cursor.ack(0, {20}, now);
  CHECK(cursor.is_idle(0));
}

TEST_CASE_METHOD(cursor_fixture, "a nack of all that is on the way leaves "
                                 "nothing due") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  auto sent = send(0, 30);
  cursor.nack(0, {10}, sent.number, now);
  CHECK(cursor.is_idle(0));
  CHECK(cursor.lent_bytes() == 0);
}

TEST_CASE_METHOD(cursor_fixture, "each assignment has rewind numbers of its "
                                 "own") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  auto before = send(0);
  assign(view_of(10, 10, 10));
  read(0, 20);
  auto after = send(0);
  CHECK(after.number > before.number);
  CHECK_FALSE(cursor.nack(0, {12}, before.number, now));
}

TEST_CASE_METHOD(cursor_fixture, "resync is due when an ack is overdue") {
  assign(view_of(10, 10, 10));
  read(0, 20);
  auto sent = send(0);
  CHECK_FALSE(cursor.needs_resync(now + 10s));
  CHECK(cursor.needs_resync(now + 10'001ms));
  SECTION("counted from the last ack") {
    read(0, 30);
    send(0);
    cursor.ack(0, {20}, now + 9s);
    CHECK_FALSE(cursor.needs_resync(now + 19s));
    CHECK(cursor.needs_resync(now + 19'001ms));
  }
  SECTION("never with nothing on the way") {
    cursor.ack(0, {20}, now);
    CHECK_FALSE(cursor.needs_resync(now + 1h));
  }
  SECTION("at once after a hand-back") {
    cursor.handed_back(0, {sent.number.value - 1});
    CHECK_FALSE(cursor.needs_resync(now));
    cursor.handed_back(0, sent.number);
    CHECK(cursor.needs_resync(now));
  }
  SECTION("at once when the writer is another one") {
    cursor.distrust(1);
    CHECK_FALSE(cursor.needs_resync(now));
    cursor.distrust(0);
    CHECK(cursor.needs_resync(now));
  }
}

TEST_CASE_METHOD(cursor_fixture, "resync sends again from what is durable") {
  hold();
  read(0, 20);
  auto sent = send(0);
  now += 11s;
  SECTION("nothing, when all was written") {
    CHECK_FALSE(audit(view_of(20, 10, 10, 10, 2)));
    CHECK(cursor.is_idle(0));
    CHECK(cursor.position() == offset{20});
  }
  SECTION("the rest, when a part was") {
    CHECK(audit(view_of(15, 10, 10, 10, 2)));
    CHECK(cursor.position() == offset{15});
    cursor.advance({20});
    auto again = send(0);
    CHECK(again.range == offset_range{{15}, {20}});
    CHECK(again.number == millrace::rewind{sent.number.value + 1});
  }
  CHECK_FALSE(cursor.needs_resync(now));
}
