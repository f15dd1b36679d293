#include "actors/lane/flush_pace.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kib = 1'024;

} // namespace

TEST_CASE("flushes begin as large as they may be") {
  CHECK(flush_pace{8'000 * kib, 1s}.bytes() == 8'000 * kib);
}

TEST_CASE("after a flush that took long the next one has what is written in "
          "the time") {
  flush_pace x{8'000 * kib, 1s};
  x.committed(4'000 * kib, 4s);
  CHECK(x.bytes() == 1'000 * kib);
  SECTION("and grows by double while there is time for that") {
    x.committed(1'000 * kib, 400ms);
    CHECK(x.bytes() == 2'000 * kib);
    x.committed(2'000 * kib, 499ms);
    x.committed(4'000 * kib, 10ms);
    x.committed(8'000 * kib, 10ms);
    CHECK(x.bytes() == 8'000 * kib);
  }
  SECTION("and stays where it takes about the time") {
    x.committed(1'000 * kib, 900ms);
    CHECK(x.bytes() == 1'000 * kib);
  }
}

TEST_CASE("flushes shrink to 64 KiB, or to the limit where that is smaller") {
  flush_pace x{8'000 * kib, 1s};
  x.committed(8'000 * kib, 1h);
  CHECK(x.bytes() == 64 * kib);
  flush_pace small{10 * kib, 1s};
  small.committed(10 * kib, 1h);
  CHECK(small.bytes() == 10 * kib);
  small.lacked_parents(10 * kib);
  CHECK(small.bytes() == 10 * kib);
}

TEST_CASE("a flush that lacked parents is followed by one of a quarter, one "
          "that timed out by half of it") {
  flush_pace x{8'000 * kib, 1s};
  x.lacked_parents(4'000 * kib);
  CHECK(x.bytes() == 1'000 * kib);
  // It was one batch, which is larger than it should be.
  x.lacked_parents(8'000 * kib);
  CHECK(x.bytes() == 1'000 * kib);
  x.timed_out(600 * kib);
  CHECK(x.bytes() == 300 * kib);
}

TEST_CASE("a flush that times out is halved down to single events") {
  flush_pace x{8'000 * kib, 1s};
  for (auto i = 0; i < 40; ++i)
    x.timed_out(x.bytes());
  CHECK(x.bytes() == 1);
  x.committed(1, 1ms);
  CHECK(x.bytes() == 2);
}

TEST_CASE("a slow flush makes none larger") {
  flush_pace x{8'000 * kib, 1s};
  while (x.bytes() > 100 * kib)
    x.timed_out(x.bytes());
  auto before = x.bytes();
  // One batch that is larger than it should be.
  x.committed(8'000 * kib, 2s);
  CHECK(x.bytes() == before);
  while (x.bytes() > 10)
    x.timed_out(x.bytes());
  x.committed(10, 2s);
  x.lacked_parents(10);
  CHECK(x.bytes() <= 10);
}

TEST_CASE("where flushes take long whatever they have they grow again") {
  flush_pace x{8'000 * kib, 1s};
  for (auto i = 0; i < 8; ++i)
    x.committed(x.bytes(), 1500ms);
  CHECK(x.bytes() < 1'000 * kib);
  for (auto i = 0; i < 10; ++i)
    x.committed(x.bytes(), 1500ms);
  CHECK(x.bytes() == 8'000 * kib);
}
