// Where a node begins in topics that are there before it.

#include "actors/source/kafka_consumer.hpp"
#include "tests/nodes/topics_fixture.hpp"

#include <format>

using namespace millrace;
using namespace millrace::test;

namespace {

/// A topic with 20 records in its first partition and 6 in the second.
struct starts_fixture : topics_fixture {
  starts_fixture() {
    send(topic, 0, 20, "old");
    send(topic, 1, 6, "old");
  }

  /// With more lines of the pipeline.
  void begin(const std::string& more) {
    start("[\"" + topic + "\"]", more);
  }

  std::string decided() const {
    return db.value("SELECT start_offsets FROM millrace.topic");
  }

  std::string listed(int32_t number, int64_t at) const {
    return std::format("start_offsets = [\"{}/{}={}\"]", topic, number, at);
  }

  /// As the service does that has read the topic so far.
  void commit(const std::string& group, int32_t number, int64_t next) {
    kafka_consumer_config config;
    config.properties = properties;
    config.group = group;
    auto consumer = must(kafka_consumer::open(std::move(config)));
    std::vector<kafka_partition> which{{topic, partition{number}}};
    std::vector<kafka_assignment> position{{which[0], offset{next}}};
    eventually([&] {
      consumer.commit_hint(position);
      consumer.poll();
      return must(client.group_offsets(group, which, 20s)).next[0]
             == offset{next};
    });
  }

  std::string topic = new_topic(2);
};

} // namespace

TEST_CASE_METHOD(starts_fixture,
                 "a node goes on where a group stopped, and from then on where "
                 "PostgreSQL says") {
  auto group = topic + "-old-service";
  auto said_twice = "start = \"group:" + group + "\"";
  begin(said_twice);
  eventually([&] {
    return said().contains("the cluster knows no consumer group '" + group);
  });
  commit(group, 0, 17);
  eventually([&] {
    return said().contains("has committed no offset of '" + topic + "/1'");
  });
  CHECK(db.value("SELECT count(*) FROM millrace.pipeline") == "0");
  commit(group, 1, 6);
  wait_for_rows("part = 0", 3);
  send(topic, 1, 2, "new");
  wait_for_rows("part = 1", 2);
  CHECK(rows("part = 0 AND at < 17") == 0);
  CHECK(decided() == "{17,6}");
  stop();
  // What the group says now is nobody's business any more.
  commit(group, 0, 0);
  send(topic, 0, 4, "new");
  begin(said_twice);
  wait_for_rows("part = 0", 7);
  CHECK(decided() == "{17,6}");
  CHECK_FALSE(said().contains("source-begins"));
  stop();
}

TEST_CASE_METHOD(starts_fixture,
                 "listed offsets count for their partitions, start for the "
                 "others; what is wrong with them is told before a row is "
                 "made") {
  begin(listed(0, 21));
  eventually([&] {
    return said().contains("'" + topic
                           + "/0=21' is beyond the end, 0 to 20 are possible");
  });
  CHECK(db.value("SELECT count(*) FROM millrace.pipeline") == "0");
  stop();
  begin("start = \"latest\"\n" + listed(0, 5));
  wait_for_rows("part = 0", 15);
  send(topic, 1, 2, "new");
  wait_for_rows("part = 1", 2);
  CHECK(rows("part = 0 AND at < 5") == 0);
  CHECK(decided() == "{5,6}");
  stop();
}

TEST_CASE_METHOD(topics_fixture, "a node begins with the first record of an "
                                 "instant or after it") {
  auto topic = new_topic(1);
  constexpr int64_t new_year = 1'609'459'200'000;
  auto producer = must(kafka_producer::open(properties, topic));
  for (int64_t day : {0, 1, 2})
    must(producer.send({.key = "k",
                        .value = R"({"k":"k","v":"dated"})",
                        .headers = {},
                        .timestamp_ms = new_year + day * 86'400'000,
                        .where = partition{0}},
                       patience));
  must(producer.flush(patience));
  start("[\"" + topic + "\"]", "start = \"2021-01-02T07:00:00+07:00\"");
  wait_for_rows("true", 2);
  CHECK(db.value("SELECT start_offsets FROM millrace.topic") == "{1}");
  stop();
}
