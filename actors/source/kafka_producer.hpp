#pragma once

#include "actors/source/kafka.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>

namespace millrace {

/// A record to be sent. Everything is copied before `send` returns. A null key
/// or value is not an empty one.
struct outgoing_record {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const std::pair<std::string, std::string>> headers;

  /// Milliseconds since 1970; nothing: now.
  std::optional<int64_t> timestamp_ms;

  /// Nothing: by the hash of the key as Java's clients do it (murmur2), at
  /// random without a key.
  std::optional<partition> where;
};

/// Sends records to one topic, for `millrace produce`, tests and benchmarks.
/// Idempotent: acknowledged by all replicas in sync, in order, each once.
class kafka_producer {
public:
  static std::expected<kafka_producer, kafka_error>
  open(const kafka_properties& properties, const std::string& topic);

  kafka_producer(kafka_producer&&) noexcept;

  kafka_producer& operator=(kafka_producer&&) noexcept;

  /// Drops what was not delivered yet; call `flush` before.
  ~kafka_producer();

  /// Queues the record. Blocks while the queue is full, at the longest for the
  /// time given.
  std::expected<void, kafka_error> send(const outgoing_record& record,
                                        std::chrono::milliseconds timeout);

  /// Waits until everything queued is delivered or has failed. Answers with
  /// the first failure of any record since the producer was opened.
  std::expected<void, kafka_error> flush(std::chrono::milliseconds timeout);

  /// Makes what follows part of a transaction, when `transactional.id` is set.
  std::expected<void, kafka_error> begin_transaction();

  std::expected<void, kafka_error> commit_transaction();

  std::expected<void, kafka_error> abort_transaction();

  /// Records that the brokers have acknowledged.
  int64_t delivered() const noexcept;

  /// Records given up.
  int64_t failed() const noexcept;

private:
  struct impl;

  explicit kafka_producer(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
