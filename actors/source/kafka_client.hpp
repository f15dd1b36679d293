#pragma once

#include "actors/source/kafka.hpp"

#include <expected>
#include <memory>
#include <optional>

namespace millrace {

/// What the cluster says about a topic.
struct kafka_topic_info {
  std::string name;

  /// Changes when a topic is deleted and made again. Nothing when the brokers
  /// are too old to tell (before 2.8). For librdkafka's mock, which has none,
  /// an id is made up that lasts as long as the mock does.
  std::optional<uuid> id;

  int32_t partitions = 0;
};

/// Questions to a cluster, and the few commands that set-up needs. Every call
/// blocks, at the longest for the time given; call from detached actors, tools
/// and tests. Safe to use from several threads.
class kafka_client {
public:
  /// Checks the properties and opens no connection yet: that a broker answers
  /// is only known after the first call.
  static std::expected<kafka_client, kafka_error>
  open(const kafka_properties& properties);

  kafka_client(kafka_client&&) noexcept;

  kafka_client& operator=(kafka_client&&) noexcept;

  ~kafka_client();

  /// Name to uuid and number of partitions.
  std::expected<kafka_topic_info, kafka_error>
  describe_topic(const std::string& topic, std::chrono::milliseconds timeout);

  /// Low and high watermark, asked from the partition's leader now.
  std::expected<kafka_watermarks, kafka_error>
  watermarks(const kafka_partition& which, std::chrono::milliseconds timeout);

  /// First offset whose timestamp is at or after `timestamp_ms`; the high
  /// watermark when there is none.
  std::expected<offset, kafka_error>
  offset_at(const kafka_partition& which, int64_t timestamp_ms,
            std::chrono::milliseconds timeout);

  /// Fails with `topic_exists` when it is there already. `config` holds topic
  /// settings such as `retention.ms`. Replication factor -1: the cluster's own.
  std::expected<void, kafka_error>
  create_topic(const std::string& topic, int32_t partitions,
               const kafka_properties& config,
               std::chrono::milliseconds timeout, int replication = -1);

  std::expected<void, kafka_error>
  delete_topic(const std::string& topic, std::chrono::milliseconds timeout);

  /// Names of all topics except internal ones (`__…`), sorted.
  std::expected<std::vector<std::string>, kafka_error>
  topics(std::chrono::milliseconds timeout);

private:
  struct impl;

  explicit kafka_client(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
