#include "actors/coordinator/wake_limit.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

TEST_CASE("of many calls one a second is followed, and the last one is not "
          "forgotten") {
  wake_limit x{1s};
  wake_limit::clock::time_point now{};
  CHECK_FALSE(x.follow(now));
  auto followed = 0;
  for (auto i = 0; i < 100; ++i) {
    x.call();
    followed += x.follow(now + i * 100ms);
  }
  CHECK(followed == 10);
  CHECK(x.follow(now + 10s));
  CHECK_FALSE(x.follow(now + 20s));
}

TEST_CASE("calls from before are not for who comes next") {
  wake_limit x{1s};
  x.call();
  x.forget();
  CHECK_FALSE(x.follow({}));
}
