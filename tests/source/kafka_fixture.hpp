#pragma once

// What the tests of the Kafka adapter share: a doorbell instead of sleeps, a
// collector of records, and a filled topic.

#include "actors/decode/record.hpp"
#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_consumer.hpp"
#include "actors/source/kafka_mock.hpp"
#include "actors/source/kafka_producer.hpp"
#include "tests/source/kafka_must.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <condition_variable>
#include <format>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

/// A slow machine must not fail a test; a broken client must not hang it.
inline constexpr std::chrono::seconds patience{60};

class bell {
public:
  void ring() {
    std::lock_guard lock{mutex_};
    ++rings_;
    changed_.notify_all();
  }

  /// Waits for a ring since the last wait.
  bool wait(std::chrono::milliseconds longest = patience) {
    std::unique_lock lock{mutex_};
    auto rung = [this] { return rings_ > heard_; };
    auto in_time = changed_.wait_for(lock, longest, rung);
    heard_ = rings_;
    return in_time;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int rings_ = 0;
  int heard_ = 0;
};

struct seen_record {
  int64_t offset = 0;
  int64_t timestamp_ms = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

class collector : public record_visitor {
public:
  bool visit(const record_view& x) override {
    auto& seen = records.emplace_back();
    seen.offset = x.offset;
    seen.timestamp_ms = x.timestamp_ms;
    seen.key = x.key;
    seen.value = x.value;
    for (const auto& header : x.lazy_headers->load())
      seen.headers.emplace_back(header.name, header.value);
    return true;
  }

  std::vector<int64_t> offsets() const {
    std::vector<int64_t> result;
    for (const auto& x : records)
      result.push_back(x.offset);
    return result;
  }

  std::vector<seen_record> records;
};

/// Drains whenever the queue rings, until `enough` says so. Fails the test
/// when that takes too long.
inline drain_result drain_until(kafka_consumer& consumer,
                                partition_queue& queue, record_visitor& visitor,
                                std::function<bool(const drain_result&)> enough,
                                drain_limits limits = {}) {
  bell wakeup;
  queue.set_wakeup([&] { wakeup.ring(); });
  auto deadline = std::chrono::steady_clock::now() + patience;
  drain_result result;
  do {
    result = queue.drain(limits, visitor);
    consumer.poll();
    if (enough(result))
      break;
    if (!result.more)
      wakeup.wait(100ms);
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  } while (true);
  queue.set_wakeup({});
  return result;
}

inline auto at_end = [](const drain_result& x) { return x.at_end; };

/// Sends `n` records "v0", "v1", … to one partition.
inline void fill(const kafka_properties& properties, const std::string& topic,
                 partition where, int n, int first = 0) {
  auto producer = must(kafka_producer::open(properties, topic));
  for (int i = first; i < first + n; ++i) {
    auto key = std::format("k{}", i);
    auto value = std::format("v{}", i);
    must(producer.send({.key = key,
                        .value = value,
                        .headers = {},
                        .timestamp_ms = 1'700'000'000'000 + i,
                        .where = where},
                       patience));
  }
  must(producer.flush(patience));
}

/// A mock cluster with the topic "t".
struct mock_fixture {
  kafka_mock_cluster cluster = must(kafka_mock_cluster::open(1));
  kafka_properties properties{{"bootstrap.servers", cluster.bootstrap()}};

  mock_fixture() {
    must(cluster.create_topic("t", 2));
  }

  kafka_consumer open_consumer(std::size_t queue_bytes = 1 << 20) {
    kafka_consumer_config config;
    config.properties = properties;
    config.queue_bytes = queue_bytes;
    return must(kafka_consumer::open(std::move(config)));
  }

  static kafka_assignment from(int64_t start, int32_t number = 0) {
    return {{"t", {number}}, {start}};
  }
};

} // namespace millrace::test
