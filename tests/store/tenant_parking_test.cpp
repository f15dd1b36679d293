// Rule 20: who may write while a tenant's tables are unusable.

#include "actors/store/sqlstate.hpp"
#include "actors/store/tenant_parking.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

using namespace std::chrono_literals;
using enum schema_sight;

lane_id lane(int32_t i) {
  return {"p", "demo", shard{i}};
}

struct fixture {
  tenant_parking aut{60s};
  tenant_parking::time_point now{1h};

  bool saw(int32_t i, schema_sight what) {
    return aut.saw(lane(i), what, "42P01: no table", now);
  }

  bool admits(int32_t i) {
    return aut.admits(lane(i), now);
  }
};

flush_result failed(failure_action action, std::string sqlstate) {
  flush_result result;
  result.verdict = flush_verdict::failed;
  result.action = action;
  result.sqlstate = std::move(sqlstate);
  result.message = "no";
  return result;
}

} // namespace

TEST_CASE_METHOD(fixture, "a lane that finds the tables unusable parks its "
                          "tenant and alone may try again") {
  CHECK(admits(0));
  CHECK_FALSE(saw(0, usable));
  CHECK(saw(1, unusable));
  CHECK(aut.parked());
  CHECK(aut.reason() == "42P01: no table");
  CHECK(admits(1));
  CHECK_FALSE(admits(0));
  // One that was under way.
  CHECK_FALSE(saw(0, unusable));
  CHECK_FALSE(saw(0, usable));
  CHECK_FALSE(saw(1, unknown));
  CHECK_FALSE(saw(1, no_room));
  CHECK(aut.parked());
  CHECK(saw(1, usable));
  CHECK_FALSE(aut.parked());
  CHECK(admits(0));
}

TEST_CASE_METHOD(fixture, "a lane that does not try any more is replaced") {
  CHECK(saw(1, unusable));
  now += 59s;
  CHECK_FALSE(admits(0));
  now += 1s;
  CHECK(admits(0));
  CHECK_FALSE(admits(1));
  CHECK(saw(0, usable));
}

TEST_CASE("what a flush says about the tables") {
  using enum failure_action;
  flush_result good;
  good.verdict = flush_verdict::committed;
  CHECK(sight_of(good) == usable);
  flush_result lost;
  lost.verdict = flush_verdict::in_doubt;
  CHECK(sight_of(lost) == unknown);
  CHECK(sight_of(failed(park, "42P01")) == unusable);
  CHECK(sight_of(failed(park, "0A000")) == unusable);
  CHECK(sight_of(failed(park, "MR005")) == unknown);
  CHECK(sight_of(failed(bisect, "23502")) == usable);
  CHECK(sight_of(failed(missing, "MR003")) == usable);
  CHECK(sight_of(failed(wait_partition, "23514")) == unknown);
  CHECK(sight_of(failed(back_off, "53100")) == no_room);
}

TEST_CASE("what parks says what mends it") {
  for (const auto& x : sqlstate_policies())
    CHECK((x.action == failure_action::park && x.state != other_columns_state)
          == !mend_of(x.state).empty());
  CHECK_FALSE(mend_of("0A000").empty());
  auto x = failed(failure_action::park, "42501");
  add_mend(x);
  CHECK(x.message.starts_with("no; grant it"));
  auto y = failed(failure_action::bisect, "22001");
  add_mend(y);
  CHECK(y.message == "no");
}
