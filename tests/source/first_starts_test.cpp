#include "actors/source/first_starts.hpp"
#include "config/start.hpp"

#include <catch2/catch_test_macros.hpp>

#include <initializer_list>
#include <string>
#include <vector>

using namespace millrace;

namespace {

using numbers = std::vector<int64_t>;

constexpr int64_t noon = 1'795'176'000'000;

start_rule rule(std::string_view start,
                std::initializer_list<std::string_view> offsets = {}) {
  start_rule result{parse_start(start).value(), {}};
  for (auto x : offsets)
    result.offsets.push_back(parse_start_offset(x).value());
  return result;
}

/// Topic a with two partitions of the offsets 10 to 40 and 0 to 7, topic b with
/// one that is empty at 3.
start_survey cluster() {
  start_survey result;
  result.topics.topics = {{"a", {}, 2}, {"b", {}, 1}};
  result.logs = {{"a", partition{0}, offset{10}, offset{40}},
                 {"a", partition{1}, offset{0}, offset{7}},
                 {"b", partition{0}, offset{3}, offset{3}}};
  result.group_known = true;
  result.now_ms = noon;
  return result;
}

numbers starts(const start_rule& rule, const start_survey& seen = cluster()) {
  auto found = first_starts(rule, seen);
  INFO((found ? std::string{} : found.error()));
  REQUIRE(found);
  numbers result;
  for (auto x : *found)
    result.push_back(x.value);
  return result;
}

std::string refusal(const start_rule& rule,
                    const start_survey& seen = cluster()) {
  auto found = first_starts(rule, seen);
  REQUIRE_FALSE(found);
  return found.error();
}

} // namespace

TEST_CASE("without offsets of its own a pipeline begins at an end of the log") {
  CHECK(starts(rule("earliest")) == numbers{10, 0, 3});
  CHECK(starts(rule("latest")) == numbers{40, 7, 3});
  CHECK_FALSE(rule("earliest").needs_questions());
  CHECK_FALSE(rule("latest").needs_questions());
}

TEST_CASE("a partition that is listed begins there, the others where start "
          "says") {
  CHECK(starts(rule("earliest", {"a/1=5"})) == numbers{10, 5, 3});
  CHECK(starts(rule("latest", {"a/0=10", "b/0=3"})) == numbers{10, 7, 3});
  CHECK(starts(rule("latest", {"a/0=40"})) == numbers{40, 7, 3});
  CHECK(rule("earliest", {"a/1=5"}).needs_questions());
}

TEST_CASE("at an instant a partition begins with its first record of then or "
          "later") {
  auto seen = cluster();
  seen.logs[0].at_instant = offset{12};
  auto at = rule("2026-11-20T00:00:00Z", {"b/0=3"});
  CHECK(starts(at, seen) == numbers{12, 7, 3});
  CHECK(at.needs_questions());
  // Seen by a read that takes what is not committed yet.
  seen.logs[0].at_instant = offset{41};
  CHECK(starts(at, seen) == numbers{40, 7, 3});
}

TEST_CASE("an instant that has not come yet is refused") {
  CHECK(starts(rule("2026-11-20T12:00:00Z")) == numbers{40, 7, 3});
  CHECK(refusal(rule("2026-11-20T12:00:00.001Z"))
        == "cannot begin: start: \"2026-11-20T12:00:00.001Z\" is in the "
           "future: give a time that has come, or \"latest\"");
}

TEST_CASE("a pipeline goes on where a group has come to") {
  auto seen = cluster();
  seen.logs[0].next_of_group = offset{40};
  seen.logs[1].next_of_group = offset{0};
  auto old = rule("group:old");
  CHECK(old.needs_questions());
  CHECK(starts(old, seen) == numbers{40, 0, 3});
  SECTION("what is listed counts before the group") {
    seen.logs[1].next_of_group = {};
    CHECK(starts(rule("group:old", {"a/1=2"}), seen) == numbers{40, 2, 3});
  }
  SECTION("a group that nothing is wanted of need not be known") {
    seen.group_known = false;
    CHECK(starts(rule("group:old", {"a/0=20", "a/1=2"}), seen)
          == numbers{20, 2, 3});
  }
}

TEST_CASE("an unknown group is said once, not for each partition") {
  auto seen = cluster();
  seen.group_known = false;
  CHECK(refusal(rule("group:odl"), seen)
        == "cannot begin: start: the cluster knows no consumer group 'odl': "
           "give the group.id of the service that has read these topics");
}

TEST_CASE("where a group does not say where to begin is told for each "
          "partition") {
  auto seen = cluster();
  seen.logs[1].next_of_group = offset{8};
  CHECK(refusal(rule("group:old"), seen)
        == "cannot begin: start: group 'old' has committed no offset of "
           "'a/0': say where to begin by start_offsets = [\"a/0=OFFSET\"], 10 "
           "to 40 are possible; start: group 'old' goes on at 8 of 'a/1', "
           "which is beyond the end: say where to begin by start_offsets = "
           "[\"a/1=OFFSET\"], 0 to 7 are possible");
  seen.logs[0].next_of_group = offset{9};
  seen.logs[1].next_of_group = offset{7};
  CHECK(refusal(rule("group:old"), seen)
        == "cannot begin: start: group 'old' goes on at 9 of 'a/0', which is "
           "below the first record that is left: say where to begin by "
           "start_offsets = [\"a/0=OFFSET\"], 10 to 40 are possible");
}

TEST_CASE("everything that is wrong with listed offsets is said at once") {
  CHECK(refusal(rule("earliest", {"a/0=9", "a/1=8", "a/2=0", "c/0=1"}))
        == "cannot begin: start_offsets: 'a/2=0': the topic's partitions are "
           "0 to 1; start_offsets: 'c/0=1': no topic 'c' is read; "
           "start_offsets: 'a/0=9' is below the first record that is left, 10 "
           "to 40 are possible; start_offsets: 'a/1=8' is beyond the end, 0 "
           "to 7 are possible");
}

TEST_CASE("a topic that is not there yet is not left to begin at its first "
          "record") {
  auto seen = cluster();
  seen.topics.missing = {"c"};
  CHECK(refusal(rule("earliest", {"c/0=5"}), seen)
        == "cannot begin: topics: 'c' is not in the cluster, and one that "
           "comes later is read from its first record: create it, or take it "
           "out");
  seen = {};
  seen.now_ms = noon;
  CHECK(refusal(rule("2026-11-20T00:00:00Z"), seen)
        == "cannot begin: topics: none is in the cluster, and those that come "
           "later are read from their first records: create them first");
}

TEST_CASE("a long list of faults is cut") {
  start_survey seen;
  seen.topics.topics = {{"a", {}, 23}};
  seen.group_known = true;
  for (int32_t n = 0; n < 23; ++n)
    seen.logs.push_back({"a", partition{n}, offset{0}, offset{1}});
  auto text = refusal(rule("group:old"), seen);
  CHECK(text.contains("'a/19'"));
  CHECK_FALSE(text.contains("'a/20'"));
  CHECK(text.ends_with("; and 3 more"));
}

TEST_CASE("what a backfill lacks has gone from Kafka, or lies before its "
          "start") {
  boot_request asked;
  asked.topics = {{{}, "a", {{partition{0}, offset{30}}}}};
  auto parts = [&](int64_t from, int64_t to) {
    std::string result;
    for (const auto& x : judge_gap({"a", partition{0}, {{from}, {to}}}, asked))
      result += std::to_string(x.range.from.value) + '-'
                + std::to_string(x.range.to.value)
                + (x.chosen ? " chosen;" : " gone;");
    return result;
  };
  CHECK(parts(0, 30) == "0-30 gone;");
  CHECK(parts(0, 50) == "0-30 gone;30-50 chosen;");
  CHECK(parts(40, 50) == "40-50 chosen;");
  CHECK(parts(0, 20) == "0-20 gone;");
  asked.topics.clear();
  CHECK(parts(0, 20) == "0-20 gone;");
}
