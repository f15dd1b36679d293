#include "actors/source/share_watch.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

using namespace millrace;

namespace {

const std::vector<kafka_partition> readable{{"t", {0}}, {"t", {1}}};

kafka_group_shares shares(std::vector<kafka_partition> taken) {
  return {.known = true,
          .stable = true,
          .taken = std::move(taken),
          .members = {"two", "one"}};
}

} // namespace

TEST_CASE("a partition that is nobody's twice running is shared out again, "
          "once") {
  share_watch watch;
  auto lacking = shares({{"t", {1}}, {"other", {0}}});
  CHECK_FALSE(watch.look(lacking, readable, "one"));
  CHECK(watch.look(lacking, readable, "one"));
  CHECK_FALSE(watch.look(lacking, readable, "one"));
  CHECK(watch.look(lacking, readable, "one"));
}

TEST_CASE("only the first member by name has a group share out again") {
  share_watch watch;
  auto lacking = shares({{"t", {1}}});
  CHECK_FALSE(watch.look(lacking, readable, "two"));
  CHECK_FALSE(watch.look(lacking, readable, "two"));
  lacking.members = {"two"};
  CHECK(watch.look(lacking, readable, "two"));
  lacking.members = {};
  CHECK_FALSE(watch.look(lacking, readable, "two"));
}

TEST_CASE("nothing is shared out again while all is somebody's, or while it "
          "moves") {
  share_watch watch;
  auto lacking = shares({{"t", {1}}});
  CHECK_FALSE(watch.look(lacking, readable, "one"));
  CHECK_FALSE(watch.look(shares(readable), readable, "one"));
  CHECK_FALSE(watch.look(lacking, readable, "one"));
  // Another one than before.
  CHECK_FALSE(watch.look(shares({{"t", {0}}}), readable, "one"));
  auto moving = lacking;
  moving.stable = false;
  CHECK_FALSE(watch.look(moving, readable, "one"));
  CHECK_FALSE(watch.look(lacking, readable, "one"));
}
