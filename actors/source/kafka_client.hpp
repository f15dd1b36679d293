#pragma once

#include "actors/source/kafka.hpp"

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// What the cluster says about a topic.
struct kafka_topic_info {
  std::string name;

  /// Changes when a topic is deleted and made again. Nothing when the brokers
  /// are too old to tell (before 2.8), unless the client was opened to make
  /// one up of the cluster's and the topic's name. For librdkafka's mock,
  /// which has none, one is made up always.
  std::optional<uuid> id;

  int32_t partitions = 0;
};

/// What the cluster knows of a consumer group.
struct kafka_group_offsets {
  /// Whether it knows the group at all.
  bool known = false;

  /// The offset that the group reads next; nothing where it has committed none.
  std::vector<std::optional<offset>> next;
};

/// Questions to a cluster, and the few commands that set-up needs. Every call
/// blocks, at the longest for the time given; call from detached actors, tools
/// and tests. Safe to use from several threads.
/// What a broker says of one partition's log.
using described_log = std::expected<kafka_watermarks, kafka_error>;

class kafka_client {
public:
  /// Checks the properties and opens no connection yet: that a broker answers
  /// is only known after the first call.
  static std::expected<kafka_client, kafka_error>
  open(const kafka_properties& properties, bool stand_in_ids = false);

  kafka_client(kafka_client&&) noexcept;

  kafka_client& operator=(kafka_client&&) noexcept;

  ~kafka_client();

  /// Name to uuid and number of partitions.
  std::expected<kafka_topic_info, kafka_error>
  describe_topic(const std::string& topic, std::chrono::milliseconds timeout);

  /// The same for many by one request. In the order of the names; a topic that
  /// is not there does not hurt the others.
  std::expected<std::vector<std::expected<kafka_topic_info, kafka_error>>,
                kafka_error>
  describe_topics(const std::vector<std::string>& topics,
                  std::chrono::milliseconds timeout);

  /// Which of these topics are compacted (`cleanup.policy`), in their order.
  /// Needs the right to describe the topics' configuration.
  std::expected<std::vector<bool>, kafka_error>
  are_compacted(const std::vector<std::string>& topics,
                std::chrono::milliseconds timeout);

  /// Low and high watermark, asked from the partition's leader now.
  std::expected<kafka_watermarks, kafka_error>
  watermarks(const kafka_partition& which, std::chrono::milliseconds timeout);

  /// The same for many: one request for the low ones and one for the high
  /// ones, to each leader. In the given order. A partition whose leader refuses
  /// does not hurt the others.
  std::expected<std::vector<described_log>, kafka_error>
  watermarks(std::span<const kafka_partition> which,
             std::chrono::milliseconds timeout);

  /// First offset whose timestamp is at or after `timestamp_ms`; the high
  /// watermark when there is none.
  std::expected<offset, kafka_error>
  offset_at(const kafka_partition& which, int64_t timestamp_ms,
            std::chrono::milliseconds timeout);

  /// The same for many, in the given order, by one request to each leader.
  /// Nothing where no record is so late.
  std::expected<std::vector<std::optional<offset>>, kafka_error>
  offsets_at(std::span<const kafka_partition> which, int64_t timestamp_ms,
             std::chrono::milliseconds timeout);

  /// How far a consumer group has come, in the given order. Fails with
  /// `retry` while transactions that move its offsets are open.
  std::expected<kafka_group_offsets, kafka_error>
  group_offsets(const std::string& group,
                std::span<const kafka_partition> which,
                std::chrono::milliseconds timeout);

  /// Fails with `topic_exists` when it is there already. `config` holds topic
  /// settings such as `retention.ms`. Replication factor -1: the cluster's own.
  std::expected<void, kafka_error>
  create_topic(const std::string& topic, int32_t partitions,
               const kafka_properties& config,
               std::chrono::milliseconds timeout, int replication = -1);

  std::expected<void, kafka_error>
  delete_topic(const std::string& topic, std::chrono::milliseconds timeout);

  /// Raises the number of a topic's partitions to `total`.
  std::expected<void, kafka_error>
  create_partitions(const std::string& topic, int32_t total,
                    std::chrono::milliseconds timeout);

  /// Deletes the records below `before`, as retention would.
  std::expected<void, kafka_error>
  delete_records(const kafka_partition& which, offset before,
                 std::chrono::milliseconds timeout);

  /// Names of all topics except internal ones (`__…`), sorted.
  std::expected<std::vector<std::string>, kafka_error>
  topics(std::chrono::milliseconds timeout);

private:
  struct impl;

  explicit kafka_client(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
