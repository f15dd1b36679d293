#include "actors/lane/invariant.hpp"
#include "actors/lane/lane_core.hpp"
#include "actors/lane/partition_cursor.hpp"
#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("an outcome without a flight is an error in every build",
          "[lane][invariant]") {
  lane_core core{sample_lane, {}};
  CHECK_THROWS_AS(core.committed(), invariant_broken);
  CHECK_THROWS_AS(core.lost(), invariant_broken);
  CHECK_THROWS_AS(core.loaded(std::nullopt), invariant_broken);
}

TEST_CASE("a reading that goes back is an error in every build",
          "[lane][invariant]") {
  partition_cursor cursor{{sample_lane}, {}};
  partition_view view;
  view.lanes.push_back({sample_lane, offset{5}, lane_state::active});
  cursor.assign(view, {offset{0}, offset{10}});
  CHECK_THROWS_AS(cursor.advance(offset{4}), invariant_broken);
}

TEST_CASE("what does not hold is said", "[lane][invariant]") {
  try {
    require(false, "water runs down");
    FAIL("nothing was thrown");
  } catch (const invariant_broken& e) {
    CHECK(std::string{e.what()} == "invariant broken: water runs down");
  }
}
