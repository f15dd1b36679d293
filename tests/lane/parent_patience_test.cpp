#include "actors/lane/parent_patience.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

/// Pauses until the flush is to be taken apart.
int pauses(parent_patience& x, parent_patience::clock::time_point now) {
  auto result = 0;
  while (x.refused(now))
    ++result;
  return result;
}

} // namespace

TEST_CASE(
  "a flush that lacks a parent is tried again, ever more slowly, before "
  "it is taken apart") {
  parent_patience x;
  const auto now = parent_patience::clock::time_point{} + 1h;
  CHECK(x.refused(now) == 100ms);
  CHECK(x.refused(now) == 200ms);
  CHECK(x.refused(now) == 400ms);
  CHECK(x.refused(now) == 800ms);
  CHECK_FALSE(x.refused(now));
}

TEST_CASE("patience that is in vain ends, and one that helps is full again") {
  parent_patience x;
  auto now = parent_patience::clock::time_point{} + 1h;
  for (auto wanted : {4, 3, 2, 1, 0, 0}) {
    CHECK(pauses(x, now) == wanted);
    // What was found is put aside, and the rest is committed.
    x.committed();
  }
  // Once in a while it is tried whether parents come by now.
  now += 60s;
  CHECK(pauses(x, now) == 1);
  CHECK(pauses(x, now) == 0);
  now += 60s;
  CHECK(x.refused(now));
  x.committed();
  CHECK(pauses(x, now) == 4);
}
