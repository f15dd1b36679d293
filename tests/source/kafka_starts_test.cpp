// What a pipeline that does not begin at an end of its topics asks Kafka.

#include "tests/source/kafka_fixture.hpp"
#include "tests/support/dev_servers.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

using offsets = std::vector<std::optional<offset>>;

/// A topic with ten records in its first partition, a millisecond apart, and
/// one without any.
struct topic_fixture {
  kafka_properties properties{
    {"bootstrap.servers", servers::real_kafka_bootstrap()}};
  kafka_client client = must(kafka_client::open(properties));
  std::string topic = unique_name("starts");
  std::vector<kafka_partition> logs{{topic, {1}}, {topic, {0}}};

  topic_fixture() {
    must(client.create_topic(topic, 2, {}, patience));
    auto deadline = std::chrono::steady_clock::now() + patience;
    while (!client.describe_topic(topic, patience))
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    fill(properties, topic, {0}, 10);
  }

  ~topic_fixture() {
    static_cast<void>(client.delete_topic(topic, patience));
  }

  /// As a service of that group would.
  void commit(const std::string& group, int64_t next) {
    kafka_consumer_config config;
    config.properties = properties;
    config.group = group;
    auto consumer = must(kafka_consumer::open(std::move(config)));
    auto deadline = std::chrono::steady_clock::now() + patience;
    std::vector<kafka_assignment> position{{logs[1], offset{next}}};
    // A new group's coordinator may not be there yet.
    while (must(client.group_offsets(group, logs, patience)).next[1]
           != offset{next}) {
      consumer.commit_hint(position);
      consumer.poll();
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  }
};

} // namespace

TEST_CASE_METHOD(topic_fixture, "offsets by time are those of the first record "
                                "that is as late") {
  auto at = [this](int64_t ms) {
    return must(client.offsets_at(logs, 1'700'000'000'000 + ms, patience));
  };
  CHECK(at(-1) == offsets{{}, offset{0}});
  CHECK(at(4) == offsets{{}, offset{4}});
  CHECK(at(9) == offsets{{}, offset{9}});
  CHECK(at(10) == offsets{{}, {}});
  CHECK(must(client.offsets_at({}, 0, patience)).empty());
}

TEST_CASE_METHOD(topic_fixture, "a group's offsets are known where it has "
                                "committed some") {
  auto group = topic + "-group";
  auto before = must(client.group_offsets(group, logs, patience));
  CHECK_FALSE(before.known);
  CHECK(before.next == offsets{{}, {}});
  commit(group, 7);
  auto after = must(client.group_offsets(group, logs, patience));
  CHECK(after.known);
  CHECK(after.next == offsets{{}, offset{7}});
  // Known as a group, though of no use for this partition.
  auto other = must(client.group_offsets(group, {logs.data(), 1}, patience));
  CHECK(other.known);
  CHECK(other.next == offsets{{}});
}
