// Parents that are on their way: protocol.md, section 4.

#include "tests/lane/owned_lane.hpp"

#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

using namespace millrace;
using namespace millrace::test;

namespace {

struct family : owned {
  /// Partition and offset of events whose parents are not there.
  std::set<std::pair<int32_t, int64_t>> orphans;

  std::vector<missing_write> lacking() const {
    std::vector<missing_write> result;
    const auto& sources = core.flight().sources;
    for (std::size_t i = 0; i < sources.size(); ++i)
      for (auto at : sources[i].data->blocks[0].offsets)
        if (sources[i].keeps(offset{at})
            && orphans.contains({sources[i].data->source.number.value, at}))
          result.push_back({i, 0, offset{at}});
    return result;
  }

  /// The next flush: nothing when it was committed.
  std::optional<orphan_verdict> fly() {
    REQUIRE(core.next_step() == lane_step::flush);
    if (auto lacks = lacking(); !lacks.empty())
      return core.flush_before_orphans(lacks);
    apply();
    core.committed();
    return std::nullopt;
  }
};

} // namespace

TEST_CASE_METHOD(family, "of each partition what comes before the first event "
                         "without a parent is written, others wholly") {
  give({.from = 10, .to = 14, .rows = {10, 11, 12, 13}});
  give({.from = 0, .to = 4, .rows = {0, 1, 2, 3}, .partition = 1});
  give({.from = 14, .to = 16, .rows = {14, 15}});
  orphans = {{0, 12}, {0, 15}};
  CHECK(fly() == orphan_verdict::some);
  CHECK_FALSE(fly());
  CHECK(said() == texts{"ack 12", "ack 4"});
  CHECK(row.next_off == std::vector{offset{12}, offset{4}});
  // The parent has come; the rest is as it was.
  orphans = {};
  CHECK_FALSE(fly());
  CHECK(said() == texts{"ack 14", "ack 16"});
  CHECK(core.queued_bytes() == 0);
}

TEST_CASE_METHOD(family, "a parent that comes behind its child in another "
                         "partition is written first") {
  give({.from = 10, .to = 12, .rows = {10, 11}});
  give({.from = 0, .to = 2, .rows = {0, 1}, .partition = 1});
  orphans = {{0, 10}};
  CHECK(fly() == orphan_verdict::some);
  CHECK(core.flies_before_orphans());
  CHECK_FALSE(fly());
  CHECK_FALSE(core.flies_before_orphans());
  CHECK(said() == texts{"ack 2"});
  orphans = {};
  CHECK_FALSE(fly());
  CHECK(said() == texts{"ack 12"});
}

TEST_CASE_METHOD(family, "where nothing comes before the orphans the flight is "
                         "still on") {
  give({.from = 10, .to = 12, .rows = {10, 11}});
  orphans = {{0, 10}};
  CHECK(fly() == orphan_verdict::nothing);
  CHECK_FALSE(core.flies_before_orphans());
  core.retry();
  orphans = {};
  CHECK_FALSE(fly());
  CHECK(said() == texts{"ack 12"});
}

TEST_CASE_METHOD(family, "what stays behind does so until something is "
                         "written, whatever else lacks a parent meanwhile") {
  give({.from = 10, .to = 14, .rows = {10, 11, 12, 13}});
  give({.from = 0, .to = 4, .rows = {0, 1, 2, 3}, .partition = 1});
  orphans = {{0, 11}};
  CHECK(fly() == orphan_verdict::some);
  // Its parent was what has stayed behind.
  orphans = {{1, 0}};
  CHECK(fly() == orphan_verdict::some);
  CHECK_FALSE(fly());
  CHECK(row.next_off == std::vector{offset{11}, offset{0}});
  orphans = {};
  CHECK_FALSE(fly());
  CHECK(row.next_off == std::vector{offset{14}, offset{4}});
}

TEST_CASE_METHOD(family, "a flush before orphans that is tried again loses "
                         "nothing and changes no order") {
  give({.from = 10, .to = 14, .rows = {10, 11, 12, 13}});
  give({.from = 0, .to = 4, .rows = {0, 1, 2, 3}, .partition = 1});
  give({.from = 14, .to = 15, .rows = {14}});
  orphans = {{0, 12}};
  CHECK(fly() == orphan_verdict::some);
  REQUIRE(core.next_step() == lane_step::flush);
  SECTION("after a passing failure") {
    core.retry();
  }
  SECTION("after a commit in doubt that was none") {
    core.lost();
    REQUIRE(core.next_step() == lane_step::resolve);
    core.loaded(row);
  }
  orphans = {};
  CHECK_FALSE(fly());
  CHECK(row.next_off == std::vector{offset{15}, offset{4}});
  CHECK(core.queued_bytes() == 0);
}

TEST_CASE_METHOD(family, "an orphan that is first for many flushes of others "
                         "is told") {
  give({.from = 10, .to = 12, .rows = {10, 11}});
  orphans = {{0, 10}};
  auto flushes = 0;
  for (int64_t at = 0; flushes < 100; ++at) {
    give({.from = at, .to = at + 1, .rows = {at}, .partition = 1});
    if (fly() == orphan_verdict::stuck)
      break;
    CHECK_FALSE(fly());
    ++flushes;
  }
  CHECK(flushes == 32);
  // The flight is still on.
  core.retry();
  orphans = {};
  CHECK_FALSE(fly());
  CHECK(row.next_off[0] == offset{12});
}

TEST_CASE_METHOD(family,
                 "a commit tells whether an orphan was written that was "
                 "waited for") {
  give({.from = 10, .to = 14, .rows = {10, 11, 12, 13}});
  orphans = {{0, 12}};
  CHECK(fly() == orphan_verdict::some);
  CHECK_FALSE(fly());
  CHECK_FALSE(core.passed_orphan());
  // Its parent has come; another one's has not.
  orphans = {{0, 13}};
  CHECK(fly() == orphan_verdict::some);
  CHECK_FALSE(fly());
  CHECK(core.passed_orphan());
}

TEST_CASE_METHOD(family, "of orphans the first of each partition are told "
                         "apart") {
  give({.from = 10, .to = 12, .rows = {10, 11}});
  give({.from = 0, .to = 2, .rows = {0, 1}, .partition = 1});
  orphans = {{0, 10}, {0, 11}, {1, 1}};
  REQUIRE(core.next_step() == lane_step::flush);
  auto firsts = core.firsts_of(lacking());
  REQUIRE(firsts.size() == 2);
  CHECK(firsts[0].at == offset{10});
  CHECK(firsts[1].at == offset{1});
}

TEST_CASE("an orphan is counted though flushes that leave it behind find an "
          "earlier one") {
  orphan_watch x;
  auto flushes = 0;
  while (!x.found({{slot{0}, offset{12}}}) && flushes < 100) {
    CHECK_FALSE(x.found({{slot{0}, offset{11}}}));
    ++flushes;
  }
  CHECK(flushes == orphan_watch::most);
  CHECK_FALSE(x.found({{slot{0}, offset{12}}}));
  CHECK_FALSE(x.passed(slot{0}, offset{12}));
  CHECK(x.passed(slot{0}, offset{13}));
  CHECK_FALSE(x.passed(slot{0}, offset{13}));
}

TEST_CASE_METHOD(owned, "after a flush that takes long the next ones are "
                        "smaller, and grow again when they do not") {
  using namespace std::chrono_literals;
  core = lane_core{sample_lane,
                   {.flush_bytes = 1 << 20, .queue_bytes = 8 << 20}};
  row = sample_row({0, 0}, {0, 0});
  for (int64_t at = 0; at < 40; ++at)
    give({.from = at, .to = at + 1, .rows = {at}, .row_bytes = 100'000});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(row);
  auto rows_of_a_flush = [this](std::chrono::microseconds took) {
    REQUIRE(core.next_step() == lane_step::flush);
    apply();
    auto result = std::ssize(core.flight().sources);
    core.committed(took);
    return result;
  };
  CHECK(rows_of_a_flush(4s) == 10);
  CHECK(rows_of_a_flush(600ms) == 2);
  CHECK(rows_of_a_flush(100s) == 2);
  // One batch is the least.
  CHECK(rows_of_a_flush(400ms) == 1);
  CHECK(rows_of_a_flush(400ms) == 1);
  CHECK(rows_of_a_flush(400ms) == 2);
  CHECK(rows_of_a_flush(400ms) == 5);
  CHECK(rows_of_a_flush(400ms) == 10);
}

TEST_CASE_METHOD(family, "after a flush without parents the next ones are "
                         "smaller, until they are committed") {
  core = lane_core{sample_lane,
                   {.flush_bytes = 1 << 20, .queue_bytes = 4 << 20}};
  row = sample_row({10, 0}, {0, 0});
  std::vector<int64_t> rows;
  for (int64_t at = 0; at < 8; ++at)
    give({.from = 10 + at,
          .to = 11 + at,
          .rows = {10 + at},
          .row_bytes = 100'000});
  REQUIRE(core.next_step() == lane_step::take_over);
  core.took_over(row);
  orphans = {{0, 17}};
  CHECK(fly() == orphan_verdict::some);
  CHECK_FALSE(fly());
  // A quarter of 800 kB.
  CHECK(row.next_off[0] == offset{12});
  CHECK_FALSE(fly());
  CHECK(row.next_off[0] == offset{16});
}
