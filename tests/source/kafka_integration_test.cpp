#include "actors/source/kafka_reader.hpp"
#include "tests/source/kafka_fixture.hpp"
#include "tests/support/dev_servers.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

/// A topic of its own on the real broker.
struct broker_fixture {
  kafka_properties properties{
    {"bootstrap.servers", servers::real_kafka_bootstrap()}};
  kafka_client client = must(kafka_client::open(properties));
  std::string topic = unique_name("source");
  kafka_partition first{topic, {0}};

  broker_fixture() {
    create(topic, 2, {});
  }

  /// Waits for the broker to have heard of it, and to lead its partitions: it
  /// tells of a topic before it does.
  void create(const std::string& name, int32_t partitions,
              const kafka_properties& settings) {
    must(client.create_topic(name, partitions, settings, patience));
    std::vector<kafka_partition> logs;
    for (int32_t i = 0; i < partitions; ++i)
      logs.push_back({name, {i}});
    auto deadline = std::chrono::steady_clock::now() + patience;
    auto led = [&] {
      auto marks = client.watermarks(logs, patience);
      return marks && std::ranges::all_of(*marks, &described_log::has_value);
    };
    while (!client.describe_topic(name, patience) || !led())
      REQUIRE(std::chrono::steady_clock::now() < deadline);
  }

  ~broker_fixture() {
    static_cast<void>(client.delete_topic(topic, patience));
  }

  kafka_consumer open_consumer(std::size_t queue_bytes = 1 << 20) {
    kafka_consumer_config config;
    config.properties = properties;
    config.queue_bytes = queue_bytes;
    return must(kafka_consumer::open(std::move(config)));
  }

  /// Two records committed, three aborted, one committed: offsets 0 and 1, the
  /// marker 2, the aborted 3 to 5, their marker 6, then 7 and its marker 8.
  void fill_with_transactions() {
    auto with_id = properties;
    with_id.emplace_back("transactional.id", topic);
    auto producer = must(kafka_producer::open(with_id, topic));
    auto send = [&](int n) {
      must(producer.begin_transaction());
      for (int i = 0; i < n; ++i)
        must(producer.send({.key = {},
                            .value = "x",
                            .headers = {},
                            .timestamp_ms = {},
                            .where = partition{0}},
                           patience));
    };
    send(2);
    must(producer.commit_transaction());
    send(3);
    // Without this they would be dropped here and never reach the log.
    must(producer.flush(patience));
    must(producer.abort_transaction());
    send(1);
    must(producer.commit_transaction());
    // The answer to a commit does not wait for its marker to be in the log.
    auto deadline = std::chrono::steady_clock::now() + patience;
    while (must(client.watermarks(first, patience)).high != offset{9})
      REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
};

} // namespace

TEST_CASE_METHOD(broker_fixture,
                 "a topic that is made again has another uuid") {
  auto before = must(client.describe_topic(topic, patience));
  CHECK(before.partitions == 2);
  REQUIRE(before.id);
  auto again = client.create_topic(topic, 2, {}, patience);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == kafka_errc::topic_exists);
  must(client.delete_topic(topic, patience));
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!client.create_topic(topic, 3, {}, patience))
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  std::expected<kafka_topic_info, kafka_error> after;
  do {
    after = client.describe_topic(topic, patience);
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    // A broker may tell of the old one until it has heard of the new one.
  } while (!after || after->id == before.id);
  CHECK(after->partitions == 3);
  CHECK(after->id != before.id);
}

TEST_CASE_METHOD(broker_fixture, "topics are described, and logs measured, "
                                 "many at once") {
  auto other = unique_name("source");
  create(other, 1, {{"cleanup.policy", "compact"}});
  auto all
    = must(client.describe_topics({other, topic + "-not", topic}, patience));
  REQUIRE(all.size() == 3);
  CHECK(must(all[0]).partitions == 1);
  REQUIRE_FALSE(all[1]);
  CHECK(all[1].error().code == kafka_errc::topic_missing);
  CHECK(must(all[2]).id == must(client.describe_topic(topic, patience)).id);
  CHECK(must(client.are_compacted({topic, other}, patience))
        == std::vector<bool>{false, true});
  fill_with_transactions();
  std::vector<kafka_partition> logs{{other, {0}}, first, {topic, {1}}};
  auto marks = must(client.watermarks(logs, patience));
  REQUIRE(marks.size() == 3);
  CHECK(must(marks[0]) == kafka_watermarks{{0}, {0}});
  CHECK(must(marks[1]) == kafka_watermarks{{0}, {9}});
  CHECK(must(marks[2]) == kafka_watermarks{{0}, {0}});
  must(client.delete_topic(other, patience));
}

TEST_CASE_METHOD(broker_fixture, "records are deleted, and partitions added, "
                                 "on demand") {
  fill(properties, topic, {0}, 10);
  must(client.delete_records(first, offset{4}, patience));
  CHECK(must(client.watermarks(first, patience))
        == kafka_watermarks{{4}, {10}});
  must(client.create_partitions(topic, 5, patience));
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (must(client.describe_topic(topic, patience)).partitions != 5)
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  CHECK_FALSE(client.create_partitions(topic, 3, patience));
}

TEST_CASE_METHOD(broker_fixture, "an unknown topic is told as such") {
  auto answer = client.describe_topic(topic + "-not", patience);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == kafka_errc::topic_missing);
  CHECK(answer.error().action == kafka_action::halt);
  CHECK(answer.error().message.contains(topic + "-not"));
}

TEST_CASE_METHOD(broker_fixture,
                 "a committed read jumps over aborted records and markers") {
  fill_with_transactions();
  auto consumer = open_consumer();
  auto queue = must(consumer.assign({first, {0}}));
  collector seen;
  auto result = drain_until(consumer, *queue, seen, at_end);
  CHECK(seen.offsets() == std::vector<int64_t>{0, 1, 7});
  CHECK(result.position == offset{9});
  CHECK(must(client.watermarks(first, patience)) == kafka_watermarks{{0}, {9}});
}

TEST_CASE_METHOD(broker_fixture, "a hole is verified by a second reading") {
  fill_with_transactions();
  auto reader = must(kafka_reader::open(properties));
  auto read = [&](int64_t from, int64_t to) {
    return must(reader.read_offsets(first, {from}, {to}, patience));
  };
  CHECK(read(2, 7).empty());
  CHECK(read(8, 9).empty());
  CHECK(read(0, 9) == std::vector<int64_t>{0, 1, 7});
  CHECK_FALSE(must(reader.read_record(first, {4}, patience)));
  CHECK(must(reader.read_record(first, {7}, patience)));
}

TEST_CASE_METHOD(broker_fixture,
                 "an open transaction holds the committed end back") {
  auto with_id = properties;
  with_id.emplace_back("transactional.id", topic);
  auto producer = must(kafka_producer::open(with_id, topic));
  must(producer.begin_transaction());
  must(producer.send({.key = {},
                      .value = "x",
                      .headers = {},
                      .timestamp_ms = {},
                      .where = partition{0}},
                     patience));
  must(producer.flush(patience));
  CHECK(must(client.watermarks(first, patience)).high == offset{0});
  auto reader = must(kafka_reader::open(properties));
  auto answer = reader.read_offsets(first, {0}, {1}, 500ms);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == kafka_errc::timed_out);
  must(producer.commit_transaction());
  CHECK(must(reader.read_offsets(first, {0}, {1}, patience))
        == std::vector<int64_t>{0});
}

TEST_CASE_METHOD(broker_fixture,
                 "rewinding under load never lets a stale record through") {
  constexpr int n = 50'000;
  fill(properties, topic, {0}, n);
  auto consumer = open_consumer(256 * 1024);
  std::mt19937 random{11};
  for (int round = 0; round < 60; ++round) {
    auto start = static_cast<int64_t>(random() % n);
    auto queue = must(consumer.assign({first, {start}}));
    auto wanted = static_cast<std::size_t>(
      std::min<int64_t>(static_cast<int64_t>(random() % 20'000), n - start));
    collector seen;
    drain_until(consumer, *queue, seen,
                [&](const drain_result& x) {
                  REQUIRE_FALSE(x.error);
                  return seen.records.size() >= wanted;
                },
                {.records = 1000});
    std::vector<int64_t> expected(seen.records.size());
    std::iota(expected.begin(), expected.end(), start);
    REQUIRE(seen.offsets() == expected);
  }
}

TEST_CASE_METHOD(broker_fixture, "an offset is found by its time") {
  fill(properties, topic, {0}, 10);
  CHECK(must(client.offset_at(first, 1'700'000'000'004, patience))
        == offset{4});
  CHECK(must(client.offset_at(first, 1'800'000'000'000, patience))
        == offset{10});
}

TEST_CASE_METHOD(broker_fixture,
                 "a position hint needs no membership and hurts nobody") {
  fill(properties, topic, {0}, 10);
  auto consumer = open_consumer();
  auto queue = must(consumer.assign({first, {0}}));
  collector seen;
  drain_until(consumer, *queue, seen, at_end);
  kafka_assignment position{first, {10}};
  consumer.commit_hint(std::span{&position, 1});
  // Reading goes on and can be moved while the hint is under way.
  auto again = must(consumer.assign({first, {5}}));
  collector more;
  drain_until(consumer, *again, more, at_end);
  CHECK(more.offsets() == std::vector<int64_t>{5, 6, 7, 8, 9});
}
