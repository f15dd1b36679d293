// Rule 20: when a tenant's lanes wait, as the server is short of something.

#include "actors/store/tenant_back_off.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

using namespace std::chrono_literals;
using enum schema_sight;

struct fixture {
  tenant_back_off aut{
    {.initial = 100ms, .max = 400ms, .jitter = 0, .healthy_after = 30s}, 1s};
  tenant_back_off::time_point now{1h};
  std::mt19937_64 chance{1};

  bool saw(schema_sight what, bool probe = false) {
    return aut.saw(what, probe, "53100: disk full", now, chance);
  }

  /// Waits until a lane may try, and sends its work.
  std::chrono::nanoseconds probe_after() {
    auto from = now;
    REQUIRE(aut.call_at());
    now = *aut.call_at();
    CHECK_FALSE(aut.admits(now - 1ns));
    REQUIRE(aut.admits(now));
    CHECK(aut.sent());
    return now - from;
  }
};

} // namespace

TEST_CASE_METHOD(fixture, "lanes wait from the first that finds no room until "
                          "a probe gets through") {
  CHECK(aut.admits(now));
  CHECK_FALSE(aut.sent());
  CHECK_FALSE(saw(usable));
  CHECK_FALSE(saw(unusable));
  CHECK_FALSE(saw(unknown));
  CHECK(saw(no_room));
  CHECK(aut.holds());
  CHECK(aut.reason() == "53100: disk full");
  // These were under way.
  CHECK_FALSE(saw(usable));
  CHECK_FALSE(saw(no_room));
  CHECK(probe_after() == 100ms);
  // One at a time.
  CHECK_FALSE(aut.admits(now + 1h));
  CHECK_FALSE(aut.call_at());
  CHECK_FALSE(saw(usable));
  CHECK(aut.holds());
  CHECK(saw(usable, true));
  CHECK_FALSE(aut.holds());
  CHECK(aut.reason().empty());
  CHECK(aut.admits(now));
}

TEST_CASE_METHOD(fixture, "the delay between probes doubles, and is short "
                          "again once all was well for long") {
  CHECK(saw(no_room));
  for (auto delay : {100ms, 200ms, 400ms, 400ms}) {
    CHECK(probe_after() == delay);
    CHECK_FALSE(saw(no_room, true));
  }
  probe_after();
  CHECK(saw(usable, true));
  SECTION("at once there is no room again") {
    CHECK(saw(no_room));
    CHECK(probe_after() == 400ms);
  }
  SECTION("after a while") {
    now += 30s;
    CHECK(saw(no_room));
    CHECK(probe_after() == 100ms);
  }
}

TEST_CASE_METHOD(fixture, "tables that are unusable are another matter: there "
                          "is room") {
  CHECK(saw(no_room));
  probe_after();
  CHECK(saw(unusable, true));
  CHECK_FALSE(aut.holds());
}

TEST_CASE_METHOD(fixture, "a probe that says nothing may be followed by one of "
                          "its lane, and after a while by another one's") {
  CHECK(saw(no_room));
  probe_after();
  CHECK_FALSE(saw(unknown, true));
  CHECK(aut.holds());
  CHECK(aut.admits(now));
  CHECK(aut.call_at() == now + 1s);
}

TEST_CASE_METHOD(fixture, "a lane that is called and does not come makes room "
                          "for the next one, and the last one ends the hold") {
  CHECK(saw(no_room));
  now += 100ms;
  CHECK(aut.call_at() == now);
  aut.called(now);
  CHECK(aut.call_at() == now + 1s);
  // It may still come.
  CHECK(aut.admits(now + 5s));
  aut.let_go(now);
  CHECK_FALSE(aut.holds());
  CHECK_FALSE(aut.call_at());
}
