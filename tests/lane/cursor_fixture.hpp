#pragma once

#include "actors/lane/partition_cursor.hpp"

#include <catch2/catch_test_macros.hpp>

namespace millrace::test {

using namespace std::chrono_literals;

using clock_time = partition_cursor::clock::time_point;

inline uuid token(uint8_t x) {
  uuid result;
  result.bytes.fill(x);
  return result;
}

inline lane_id lane(int32_t i) {
  return {"ticks", "demo", shard{i}};
}

/// Three lanes at the given offsets, floor at 10 under token 1.
inline partition_view view_of(int64_t a, int64_t b, int64_t c,
                              int64_t floor = 10, uint8_t tag = 1) {
  partition_view result;
  result.lanes = {{lane(0), {a}}, {lane(1), {b}}, {lane(2), {c}}};
  result.floor = {floor};
  result.token = token(tag);
  result.map_version = {3};
  return result;
}

inline partition_view halted_lane(partition_view x, std::size_t i) {
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

  lane_mode mode(std::size_t who) const {
    return cursor.mode(who);
  }
};

} // namespace millrace::test
