#pragma once

#include "tests/lane/cursor_fixture.hpp"

namespace millrace::test {

/// Lane 0 has had nine tenths of the traffic of late, lane 1 the rest.
struct detach_fixture : cursor_fixture {
  void hold_with_traffic() {
    hold();
    read(0, 20);
    send(0, 90);
    read(1, 30);
    send(1, 10);
    cursor.ack(0, {20}, now);
    cursor.ack(1, {30}, now);
    cursor.take_changes();
  }

  using state = partition_cursor::run_state;

  state tend(bool verified = true) {
    return cursor.tend_run(verified, now);
  }

  /// The catch-up reads up to `to`.
  void catch_up(int64_t to) {
    cursor.advance({to}, reading_kind::catch_up);
  }

  offset run_position() const {
    return cursor.position(reading_kind::catch_up);
  }

  bool caught(std::size_t who, int64_t at) const {
    return cursor.wants(who, {at}, reading_kind::catch_up);
  }
};

} // namespace millrace::test
