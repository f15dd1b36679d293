#include "actors/source/share_watch.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

using namespace millrace;

namespace {

const std::vector<kafka_partition> readable{{"t", {0}}, {"t", {1}}};
const std::vector<kafka_partition> lost{{"t", {0}}};

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
  for (int i = 0; i < 3; ++i) {
    CHECK(watch.look(lacking, readable, "one").empty());
    CHECK(watch.look(lacking, readable, "one") == lost);
    CHECK(watch.look(shares(readable), readable, "one").empty());
  }
}

TEST_CASE("what sharing out does not help is shared out ever more seldom") {
  share_watch watch;
  auto lacking = shares({{"t", {1}}});
  std::vector<int> asked;
  for (int i = 1; i <= 254; ++i)
    if (!watch.look(lacking, readable, "one").empty())
      asked.push_back(i);
  CHECK(asked == std::vector<int>{2, 6, 14, 30, 62, 126, 190, 254});
}

TEST_CASE("only the first member by name has a group share out again") {
  share_watch watch;
  auto lacking = shares({{"t", {1}}});
  CHECK(watch.look(lacking, readable, "two").empty());
  CHECK(watch.look(lacking, readable, "two").empty());
  lacking.members = {"two"};
  CHECK(watch.look(lacking, readable, "two") == lost);
  lacking.members = {};
  CHECK(watch.look(lacking, readable, "two").empty());
}

TEST_CASE("nothing is shared out again while all is somebody's, or while it "
          "moves") {
  share_watch watch;
  auto lacking = shares({{"t", {1}}});
  CHECK(watch.look(lacking, readable, "one").empty());
  CHECK(watch.look(shares(readable), readable, "one").empty());
  CHECK(watch.look(lacking, readable, "one").empty());
  // Another one than before.
  CHECK(watch.look(shares({{"t", {0}}}), readable, "one").empty());
  auto moving = lacking;
  moving.stable = false;
  CHECK(watch.look(moving, readable, "one").empty());
  CHECK(watch.look(lacking, readable, "one").empty());
}
