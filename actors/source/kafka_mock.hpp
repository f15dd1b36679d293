#pragma once

#include "actors/source/kafka.hpp"

#include <expected>
#include <memory>
#include <span>

namespace millrace {

/// A Kafka cluster inside this process, for tests and for a demonstration on a
/// machine without Kafka: librdkafka's mock. It listens on loopback ports of
/// its own choice, keeps nothing on disk, drops silently beyond 5 MiB or
/// 100,000 records per partition, and knows neither compaction nor the markers
/// of transactions.
class kafka_mock_cluster {
public:
  static std::expected<kafka_mock_cluster, kafka_error> open(int brokers);

  kafka_mock_cluster(kafka_mock_cluster&&) noexcept;

  kafka_mock_cluster& operator=(kafka_mock_cluster&&) noexcept;

  /// Closes every connection; the records are gone.
  ~kafka_mock_cluster();

  /// Addresses for `bootstrap.servers`.
  std::string bootstrap() const;

  std::expected<void, kafka_error> create_topic(const std::string& topic,
                                                int32_t partitions);

  /// Answers the next fetches with this error of the protocol, one each.
  void fail_fetches(std::span<const int16_t> codes);

  /// Cuts the broker (1, 2, …) off, or connects it again.
  void set_reachable(int32_t broker, bool reachable);

private:
  struct impl;

  explicit kafka_mock_cluster(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
