#include "actors/source/discovery.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;

uuid id_of(uint8_t n) {
  uuid result;
  result.bytes[15] = n;
  return result;
}

booted_partition stored(const std::string& topic, uint8_t id, int32_t number,
                        int32_t at) {
  return {{id_of(id), partition{number}}, topic, slot{at}, offset{0}, false};
}

surveyed_topic seen(const std::string& topic, uint8_t id, int32_t partitions) {
  return {topic, id_of(id), partitions};
}

/// `topic/number id`, for each consumer.
texts show(const consumer_set::map& x) {
  texts result;
  for (const auto& [name, where] : x)
    result.push_back(name.first + '/' + std::to_string(name.second) + ' '
                     + std::to_string(where.source.topic.bytes[15]));
  return result;
}

} // namespace

TEST_CASE("names and what patterns match are selected, each once") {
  topic_selector aut{{"b", "^a.*", "^.*", "b", "__offsets"}};
  CHECK(aut.has_patterns());
  CHECK(aut.names() == texts{"__offsets", "b"});
  texts all{"__consumer_offsets", "a1", "b", "c"};
  CHECK(aut.select(all) == texts{"__offsets", "a1", "b", "c"});
  CHECK(aut.selects("__offsets"));
  CHECK_FALSE(aut.selects("__consumer_offsets"));
  topic_selector names{{"b", "a"}};
  CHECK_FALSE(names.has_patterns());
  CHECK(names.select(all) == texts{"a", "b"});
}

TEST_CASE("every partition of the topics that are there is wanted") {
  topic_selector selector{{"^t.*"}};
  topic_survey survey{{seen("t", 1, 2)}, {}};
  boot_result rows;
  rows.partitions = {stored("t", 1, 0, 0), stored("t", 1, 1, 1),
                     stored("dropped-from-the-list", 2, 0, 2)};
  CHECK(show(consumer_set::wanted(selector, survey, rows))
        == texts{"t/0 1", "t/1 1"});
}

TEST_CASE("a topic that was made again is wanted as it was until it is "
          "adopted") {
  topic_selector selector{{"t"}};
  topic_survey survey{{seen("t", 2, 1)}, {}};
  boot_result rows;
  rows.partitions = {stored("t", 1, 0, 0), stored("t", 1, 1, 1)};
  consumer_set aut;
  aut.follow(consumer_set::wanted(selector, survey, rows));
  CHECK(aut.size() == 2);
  CHECK(aut.lacks(survey));
  CHECK(aut.incomplete(survey) == texts{"t"});
  CHECK(aut.strangers(survey) == aut.keys());
  CHECK(aut.strangers({{seen("t", 1, 2)}, {}}).empty());
  rows.partitions.push_back(stored("t", 2, 0, 2));
  auto wanted = consumer_set::wanted(selector, survey, rows);
  CHECK(show(wanted) == texts{"t/0 2"});
  auto change = aut.follow(wanted);
  REQUIRE(change.add.size() == 1);
  CHECK(change.add[0].source.topic == id_of(2));
  CHECK(change.remove == std::vector<consumer_set::key>{{"t", 1}});
  CHECK_FALSE(aut.lacks(survey));
}

TEST_CASE("of a topic that is gone the last stored one is wanted") {
  topic_selector selector{{"^t"}};
  boot_result rows;
  rows.partitions = {stored("t", 9, 0, 0), stored("t", 3, 0, 1)};
  CHECK(show(consumer_set::wanted(selector, {}, rows)) == texts{"t/0 3"});
}

TEST_CASE("only what is new is added, and running consumers are left alone") {
  topic_selector selector{{"t", "u"}};
  consumer_set aut;
  boot_result rows;
  rows.partitions = {stored("t", 1, 0, 0)};
  topic_survey first{{seen("t", 1, 1)}, {"u"}};
  CHECK(aut.lacks(first));
  CHECK(aut.follow(consumer_set::wanted(selector, first, rows)).add.size()
        == 1);
  CHECK_FALSE(aut.lacks(first));
  topic_survey more{{seen("t", 1, 2), seen("u", 2, 1)}, {}};
  CHECK(aut.incomplete(more) == texts{"t", "u"});
  rows.partitions.push_back(stored("t", 1, 1, 1));
  rows.partitions.push_back(stored("u", 2, 0, 2));
  auto change = aut.follow(consumer_set::wanted(selector, more, rows));
  REQUIRE(change.add.size() == 2);
  CHECK(change.add[0].at == slot{1});
  CHECK(change.add[1].topic == "u");
  CHECK(change.remove.empty());
  CHECK(aut.follow(consumer_set::wanted(selector, more, rows)).add.empty());
}

TEST_CASE("a consumer that ended is added again") {
  topic_selector selector{{"t"}};
  topic_survey survey{{seen("t", 1, 2)}, {}};
  boot_result rows;
  rows.partitions = {stored("t", 1, 0, 0), stored("t", 1, 1, 1)};
  consumer_set aut;
  aut.follow(consumer_set::wanted(selector, survey, rows));
  aut.forget(rows.partitions[1].source);
  CHECK(aut.lacks(survey));
  auto change = aut.follow(consumer_set::wanted(selector, survey, rows));
  REQUIRE(change.add.size() == 1);
  CHECK(change.add[0].at == slot{1});
}

TEST_CASE("a topic counts as gone when it stays away") {
  absence aut{10s};
  absence::clock::time_point start;
  CHECK_FALSE(aut.missed("t", start));
  CHECK_FALSE(aut.missed("t", start + 9s));
  CHECK(aut.missed("t", start + 10s));
  CHECK_FALSE(aut.missed("u", start + 10s));
  aut.seen("t");
  CHECK_FALSE(aut.missed("t", start + 11s));
}
