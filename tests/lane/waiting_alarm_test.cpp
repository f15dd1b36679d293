#include "actors/lane/waiting_alarm.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

TEST_CASE("a warning comes at four fifths of the events, bytes or time that "
          "waiting events have") {
  CHECK_FALSE(waiting_alarm{10, 1000, 60s}.look(7, 799, 47s));
  CHECK(waiting_alarm{10, 1000, 60s}.look(8, 0, 0s));
  CHECK(waiting_alarm{10, 1000, 60s}.look(1, 800, 0s));
  CHECK(waiting_alarm{10, 1000, 60s}.look(1, 0, 48s));
}

TEST_CASE("waiting events are warned of once, and again after they were few") {
  waiting_alarm x{10, 1000, 60s};
  CHECK(x.look(8, 0, 0s));
  CHECK_FALSE(x.look(10, 0, 0s));
  CHECK_FALSE(x.look(6, 0, 0s));
  CHECK_FALSE(x.look(9, 0, 0s));
  CHECK_FALSE(x.look(4, 0, 0s));
  CHECK(x.look(8, 0, 0s));
}

TEST_CASE("where nothing may wait nothing is warned of") {
  CHECK_FALSE(waiting_alarm{0, 0, 0s}.look(0, 0, 0s));
}
