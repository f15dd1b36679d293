#include "actors/lane/partition_cursor.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

using clock_time = partition_cursor::clock::time_point;

uuid token(uint8_t x) {
  uuid result;
  result.bytes.fill(x);
  return result;
}

lane_id lane(int32_t i) {
  return {"ticks", "demo", shard{i}};
}

/// Three lanes at the given offsets, floor at 10 under token 1.
partition_view view_of(int64_t a, int64_t b, int64_t c, int64_t floor = 10,
                       uint8_t tag = 1) {
  partition_view result;
  result.lanes = {{lane(0), {a}}, {lane(1), {b}}, {lane(2), {c}}};
  result.floor = {floor};
  result.token = token(tag);
  result.map_version = {3};
  return result;
}

partition_view halted_lane(partition_view x, std::size_t i) {
  x.lanes[i].state = lane_state::halted;
  return x;
}

struct cursor_fixture {
  partition_cursor cursor{{lane(0), lane(1), lane(2)},
                          {.credit_bytes = 100, .resync = 10s}};
  clock_time now{1h};

  void assign(const partition_view& view, offset_range log = {{0}, {1'000}}) {
    cursor.assign(view, log);
  }

  /// All lanes at 10, and the floor in hand.
  void hold() {
    assign(view_of(10, 10, 10));
    full_act(10, 2);
    REQUIRE(cursor.holds_floor());
  }

  void full_act(int64_t to, uint8_t tag) {
    auto act = cursor.propose();
    REQUIRE(act);
    REQUIRE(act->full);
    cursor.floor_answer(*act, {true, {to}, token(tag), {3}, false});
  }

  /// Reads up to `to`; the lane has an event at `to - 1`.
  void read(std::size_t who, int64_t to) {
    cursor.touch(who, {to - 1});
    cursor.advance({to});
  }

  cut_batch send(std::size_t who, std::size_t bytes = 10) {
    return cursor.cut(who, bytes, now);
  }

  bool audit(const partition_view& view) {
    return cursor.audit(view, now);
  }
};

} // namespace

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
                                 "offset is RETENTION_LOSS") {
  assign(view_of(30, 20, 25), {{21}, {100}});
  CHECK(cursor.halted() == partition_halt::retention_loss);
  CHECK(cursor.halt_reason().find("from 20") != std::string::npos);
  CHECK_FALSE(cursor.propose());
  assign(halted_lane(view_of(30, 20, 25), 1), {{21}, {100}});
  CHECK(cursor.halted() == partition_halt::none);
  assign(view_of(30, 20, 25), {{20}, {100}});
  CHECK(cursor.halted() == partition_halt::none);
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

// -- rule 9 -------------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "an ack that the database does not know is "
                                 "void") {
  hold();
  read(0, 20);
  send(0);
  cursor.ack(0, {20}, now);
  CHECK(audit(view_of(12, 10, 10, 10, 2)));
  CHECK(cursor.position() == offset{12});
  CHECK(cursor.wants(0, {12}));
}

TEST_CASE_METHOD(cursor_fixture, "an ack that came after the view was asked "
                                 "for is not void") {
  hold();
  read(0, 20);
  send(0);
  auto asked = cursor.acks();
  cursor.ack(0, {20}, now);
  CHECK_FALSE(cursor.audit(view_of(10, 10, 10, 10, 2), now, asked));
  CHECK(cursor.position() == offset{20});
  CHECK(cursor.acks().front() == offset{20});
  // The next view must know of it.
  CHECK(cursor.audit(view_of(10, 10, 10, 10, 2), now, cursor.acks()));
  CHECK(cursor.position() == offset{10});
}

TEST_CASE_METHOD(cursor_fixture, "an audit that finds all in order changes "
                                 "nothing") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(audit(view_of(10, 10, 10, 10, 2)));
  CHECK_FALSE(audit(view_of(20, 10, 10, 10, 2)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK_FALSE(cursor.is_idle(0));
}

TEST_CASE_METHOD(cursor_fixture, "what calls for a new assignment") {
  hold();
  read(0, 20);
  send(0);
  auto good = view_of(10, 10, 10, 10, 2);
  auto bad = good;
  SECTION("a lane below the start") {
    bad.lanes[1].effective = {9};
  }
  SECTION("a lane that was halted") {
    bad.lanes[1].state = lane_state::halted;
  }
  SECTION("another map") {
    bad.map_version = {4};
  }
  SECTION("a floor row that is halted") {
    bad.halted = true;
  }
  SECTION("another token at a lower floor") {
    bad.token = token(9);
    bad.floor = {9};
  }
  SECTION("another token at a floor beyond the position") {
    bad.token = token(9);
    bad.floor = {21};
  }
  CHECK_FALSE(audit(good));
  REQUIRE_FALSE(cursor.needs_assign());
  CHECK_FALSE(audit(bad));
  CHECK(cursor.needs_assign());
}

TEST_CASE_METHOD(cursor_fixture, "a lane that was resumed calls for a new "
                                 "assignment") {
  assign(halted_lane(view_of(10, 10, 10), 1));
  audit(view_of(10, 10, 10));
  CHECK(cursor.needs_assign());
}

TEST_CASE_METHOD(cursor_fixture, "another's floor is followed when it is "
                                 "higher and all below it was read") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(audit(view_of(20, 20, 20, 20, 9)));
  CHECK_FALSE(cursor.needs_assign());
  CHECK(cursor.floor() == offset{20});
  // The next act is guarded by what was seen.
  read(0, 30);
  send(0);
  cursor.ack(0, {30}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->token == token(9));
  CHECK(act->floor == offset{20});
}

// -- section 3 ----------------------------------------------------------------

TEST_CASE_METHOD(cursor_fixture, "the first act is a full one, guarded by the "
                                 "row as it was seen") {
  assign(view_of(10, 10, 10));
  CHECK_FALSE(cursor.holds_floor());
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->full);
  CHECK(act->floor == offset{10});
  CHECK(act->token == token(1));
  CHECK(act->map_version == map_version{3});
}

TEST_CASE_METHOD(cursor_fixture, "a floor that stays below the start is "
                                 "frozen: only full acts") {
  assign(halted_lane(view_of(30, 12, 40), 1));
  REQUIRE(cursor.position() == offset{30});
  full_act(12, 2);
  CHECK_FALSE(cursor.holds_floor());
  read(0, 50);
  send(0);
  cursor.ack(0, {50}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->full);
  CHECK(act->token == token(2));
  full_act(30, 3);
  CHECK(cursor.holds_floor());
}

TEST_CASE_METHOD(cursor_fixture, "a touched act waits for its lanes and names "
                                 "what was read") {
  hold();
  CHECK_FALSE(cursor.propose());
  read(0, 20);
  read(2, 25);
  cursor.advance({30});
  send(0);
  send(2);
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {30}, now);
  CHECK_FALSE(cursor.propose());
  cursor.ack(2, {25}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK_FALSE(act->full);
  CHECK(act->to == offset{30});
  REQUIRE(act->touched.size() == 2);
  CHECK(act->touched[0].id == lane(0));
  CHECK(act->touched[0].end == offset{20});
  CHECK(act->touched[1].id == lane(2));
  CHECK(act->touched[1].end == offset{25});
  cursor.floor_answer(*act, {true, {30}, token(3), {3}, false});
  CHECK(cursor.floor() == offset{30});
  CHECK_FALSE(cursor.propose());
}

TEST_CASE_METHOD(cursor_fixture, "a floor rises under constant load, because "
                                 "its snapshot ages") {
  hold();
  read(0, 20);
  send(0);
  CHECK_FALSE(cursor.propose());
  for (int64_t at = 30; at < 100; at += 10) {
    read(0, at);
    send(0);
    cursor.ack(0, {at - 10}, now);
  }
  auto act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{20});
  cursor.floor_answer(*act, {true, {20}, token(3), {3}, false});
  // What was read after the snapshot is still touched.
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {90}, now);
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{90});
  REQUIRE(act->touched.size() == 1);
  CHECK(act->touched[0].end == offset{90});
}

TEST_CASE_METHOD(cursor_fixture, "events of a halted lane hold the floor in "
                                 "the database, not here") {
  assign(halted_lane(view_of(10, 10, 10), 1));
  full_act(10, 2);
  read(1, 20);
  cursor.advance({30});
  auto act = cursor.propose();
  REQUIRE(act);
  REQUIRE(act->touched.size() == 1);
  CHECK(act->touched[0].id == lane(1));
  CHECK(act->touched[0].end == offset{20});
  // Refused; the lane stays in the list of the next one.
  cursor.floor_answer(*act, {false, {10}, token(2), {3}, false});
  CHECK_FALSE(cursor.needs_assign());
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->touched.size() == 1);
}

TEST_CASE_METHOD(cursor_fixture, "an act that meets another token ends the "
                                 "assignment, unless that floor can be "
                                 "followed") {
  hold();
  read(0, 20);
  send(0);
  cursor.ack(0, {20}, now);
  auto act = cursor.propose();
  REQUIRE(act);
  SECTION("it cannot") {
    cursor.floor_answer(*act, {false, {9}, token(9), {3}, false});
    CHECK(cursor.needs_assign());
  }
  SECTION("it can") {
    cursor.floor_answer(*act, {false, {15}, token(9), {3}, false});
    CHECK_FALSE(cursor.needs_assign());
    CHECK(cursor.floor() == offset{15});
    CHECK(cursor.holds_floor());
  }
  SECTION("a rival's token at the same floor is taken over") {
    cursor.floor_answer(*act, {false, {10}, token(9), {3}, false});
    CHECK_FALSE(cursor.needs_assign());
    CHECK(cursor.holds_floor());
    auto again = cursor.propose();
    REQUIRE(again);
    CHECK(again->token == token(9));
    CHECK(again->touched.size() == 1);
  }
}

TEST_CASE_METHOD(cursor_fixture, "a first act that was refused leaves the "
                                 "floor alone") {
  assign(view_of(10, 10, 10));
  auto act = cursor.propose();
  cursor.floor_answer(*act, {false, {10}, token(9), {3}, false});
  CHECK(cursor.needs_assign());
  CHECK_FALSE(cursor.holds_floor());
}

TEST_CASE_METHOD(cursor_fixture, "after a rewind the floor waits for what is "
                                 "read again") {
  hold();
  read(0, 20);
  auto sent = send(0);
  cursor.nack(0, {15}, sent.number, now);
  auto act = cursor.propose();
  CHECK_FALSE(act);
  cursor.advance({20});
  send(0);
  cursor.ack(0, {15}, now);
  CHECK_FALSE(cursor.propose());
  cursor.ack(0, {20}, now);
  // The snapshot is of the moment after the rewind.
  act = cursor.propose();
  REQUIRE(act);
  CHECK(act->to == offset{15});
  CHECK(act->touched.at(0).end == offset{20});
}
