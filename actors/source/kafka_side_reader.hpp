#pragma once

#include "actors/source/kafka_consumer.hpp"

#include <chrono>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace millrace {

/// Reads partitions that another client reads already (rule 7): librdkafka
/// assigns a partition once per client. Connects with the first assignment and
/// closes some time after the last one.
///
/// An assignment lasts for as long as its queue is held by whoever asked, so
/// that one who ends without a word leaves nothing behind.
///
/// Owned by one thread, like a kafka_consumer.
class kafka_side_reader {
public:
  using clock = std::chrono::steady_clock;

  kafka_side_reader(kafka_consumer_config config,
                    std::chrono::milliseconds idle_close);

  /// See `kafka_consumer::assign`.
  std::expected<partition_queue_ptr, kafka_error>
  assign(const kafka_assignment& wanted, clock::time_point now);

  /// Ends the assignments of these partitions; their queues go stale.
  void take_away(std::span<const kafka_partition> which);

  /// Serves callbacks, ends assignments that nobody holds, and closes an idle
  /// client, which may take a second. To be called like
  /// `kafka_consumer::poll`, whether a client is open or not. A client that is
  /// of no use any more or spoilt is closed; its queues go stale.
  std::vector<kafka_error> poll(clock::time_point now);

  bool is_open() const noexcept {
    return consumer_.has_value();
  }

  std::size_t assigned() const noexcept {
    return lent_.size();
  }

  void close() noexcept;

private:
  kafka_consumer_config config_;
  std::chrono::milliseconds idle_close_;
  std::optional<kafka_consumer> consumer_;
  std::map<kafka_partition, std::weak_ptr<partition_queue>> lent_;
  clock::time_point last_used_;
};

} // namespace millrace
