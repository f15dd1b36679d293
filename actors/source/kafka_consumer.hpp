#pragma once

#include "actors/source/kafka.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace millrace {

struct record_view;

/// Counts the assignments of one partition within one consumer. Records of an
/// older assignment never reach the holder of a newer one.
using kafka_generation = strong<struct kafka_generation_tag, int64_t>;

/// Set-up of a kafka_consumer.
struct kafka_consumer_config {
  /// What the user wrote. Must not contain a property that the protocol owns
  /// (`protected_property`).
  kafka_properties properties;

  /// Only names where position hints are committed; membership is never taken.
  std::string group = "millrace";

  /// Bytes that librdkafka may hold ready for one partition. It can hold one
  /// more fetch answer of that partition (`fetch_bytes`) beyond it, unpacked.
  std::size_t queue_bytes = 4 * 1024 * 1024;

  /// Called with librdkafka's log lines, from any of its threads; must neither
  /// block nor throw.
  std::function<void(const kafka_log_line&)> on_log;

  /// Called within `poll` or a drain with librdkafka's statistics as JSON, when
  /// `statistics.interval.ms` is set.
  std::function<void(std::string_view)> on_statistics;

  /// Called from any thread when `poll` has something to do; must only signal.
  std::function<void()> on_wakeup;
};

/// What one fetch asks for, per partition. Compressed records count as they
/// are sent: unpacked they may be a hundred times as much, at once, and no
/// limit of the client looks at that. So this is a small part of the queue.
std::size_t fetch_bytes(std::size_t queue_bytes) noexcept;

/// What each partition may hold ready of `total` bytes for all of them: an
/// equal share, but not above `most`, and not below 256 KiB or `most`.
std::size_t queue_share(std::size_t total, std::size_t partitions,
                        std::size_t most) noexcept;

/// True for properties that the protocol sets itself, because another value
/// would lose or repeat records (`auto.offset.reset`, `enable.auto.commit`, …).
bool protected_property(std::string_view name) noexcept;

/// Where to begin to read a partition.
struct kafka_assignment {
  kafka_partition which;
  offset start;
};

/// Limits of one `drain`. At least one record is handed out when one is there,
/// however big it is.
struct drain_limits {
  std::size_t bytes = 256 * 1024;
  std::size_t records = 2'000;
};

/// How a `drain` ended.
struct drain_result {
  std::size_t records = 0;

  /// Keys and values of the records handed out.
  std::size_t bytes = 0;

  /// Everything below this has been handed out or is not in the log as a
  /// committed read sees it. Between two records and before the end of the
  /// partition it may jump: librdkafka does not say why an offset is missing.
  offset position;

  /// There may be more: drain again without waiting for a wake-up.
  bool more = false;

  /// The last thing seen was the end of the partition, at `position`.
  bool at_end = false;

  /// The partition was assigned anew, taken away, or the consumer is closed:
  /// this queue will never hand out anything again.
  bool stale = false;

  /// Behind the records that were handed out. With `retry` librdkafka goes on
  /// by itself; otherwise nothing more will come before a new assignment.
  std::optional<kafka_error> error;
};

/// Gets the records of a drain, one by one, in offset order.
class record_visitor {
public:
  virtual ~record_visitor() = default;

  /// The view and all it points at die when this returns. Returning false ends
  /// the drain after this record, which counts as handed out.
  virtual bool visit(const record_view& record) = 0;
};

/// The records of one assignment of one partition.
///
/// One thread at a time may drain; it need not be the thread that owns the
/// consumer. The wake-up is edge triggered: it comes when the queue was empty
/// and is no longer, so after a drain with `more` the drainer comes back by
/// itself. Nothing here blocks.
class partition_queue {
public:
  partition_queue(const partition_queue&) = delete;

  partition_queue& operator=(const partition_queue&) = delete;

  virtual ~partition_queue() = default;

  virtual const kafka_partition& which() const noexcept = 0;

  virtual kafka_generation generation() const noexcept = 0;

  /// Sets who is told when records, the end or an error arrive; replaces the
  /// former one, and calls once at once, so that nothing that is already there
  /// is missed. Called from librdkafka's threads while it holds a lock: send a
  /// message, nothing else. An empty function turns wake-ups off; when that
  /// returns, no call is running any more.
  virtual void set_wakeup(std::function<void()> wakeup) = 0;

  /// Hands out what is there, within the limits. A paused queue hands out
  /// nothing.
  virtual drain_result
  drain(const drain_limits& limits, record_visitor& visitor)
    = 0;

  /// Stops handing out. Reading ahead stops by itself when `queue_bytes` are
  /// held; nothing is dropped or read twice. (librdkafka's own pause is not
  /// used: together with assignments it has lost positions.)
  virtual void pause() = 0;

  /// Ends a pause and wakes up once.
  virtual void resume() = 0;

  virtual bool paused() const noexcept = 0;

  /// Whether a drain would say so. Going stale wakes nobody up.
  virtual bool stale() const noexcept {
    return false;
  }

  /// High watermark as of the last fetch, without asking anybody; nothing
  /// before the first fetch was answered.
  virtual std::optional<offset> high_watermark() const = 0;

protected:
  partition_queue() = default;
};

using partition_queue_ptr = std::shared_ptr<partition_queue>;

/// Reads partitions from explicit offsets, never from committed ones, and is
/// no member of any group.
///
/// Owned by one thread (SOURCE), which calls `poll` after each wake-up and
/// every 100 ms besides. Assignments are made one partition at a time without
/// disturbing the others. Records travel through the partition queues only.
class kafka_consumer {
public:
  static std::expected<kafka_consumer, kafka_error>
  open(kafka_consumer_config config);

  kafka_consumer(kafka_consumer&&) noexcept;

  kafka_consumer& operator=(kafka_consumer&&) noexcept;

  /// Closes without waiting for commits.
  ~kafka_consumer();

  /// Begins to read each partition at its offset. A partition that is assigned
  /// already is taken away first: its old queue goes stale at once, and only
  /// records from the new offset on reach the new queue. Offsets must be
  /// concrete (not negative). All or nothing; queues in the given order.
  std::expected<std::vector<partition_queue_ptr>, kafka_error>
  assign(std::span<const kafka_assignment> wanted);

  /// The same for one.
  std::expected<partition_queue_ptr, kafka_error>
  assign(const kafka_assignment& wanted);

  /// Stops reading. Unknown partitions are ignored.
  void unassign(std::span<const kafka_partition> which);

  /// Serves callbacks and returns what concerns the client as a whole: brokers
  /// lost, credentials refused, fatal errors. Never blocks.
  std::vector<kafka_error> poll();

  /// Whether it had better be closed soon, and another one opened: a topic was
  /// made again, and librdkafka cannot cope with that.
  bool spoilt() const noexcept;

  /// Tells Kafka where we are, for lag monitors only. Nothing waits for it and
  /// nothing depends on it.
  void commit_hint(std::span<const kafka_assignment> positions);

  /// Stops everything; all queues go stale and no wake-up runs afterwards.
  /// Blocks until librdkafka's threads have ended (at worst some seconds).
  void close() noexcept;

private:
  struct impl;

  explicit kafka_consumer(std::unique_ptr<impl> x) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace
