#pragma once

// Inside of the Kafka adapter: the queue of one assignment.

#include "actors/source/kafka_consumer.hpp"
#include "actors/source/kafka_handle.hpp"
#include "actors/source/kafka_topic_watch.hpp"

#include <mutex>

namespace millrace::kafka_detail {

/// Owns librdkafka's queue of one partition for the time of one assignment.
///
/// The mutex stands between the drainer and the owner of the consumer: after
/// `retire` returned, no record of this assignment is handed out any more,
/// whatever librdkafka still has under way. That, and not a comparison of
/// offsets, keeps assignments apart: after a rewind, a late record of the old
/// position would look like a jump ahead.
class assigned_queue final : public partition_queue {
public:
  /// Takes the partition's queue off the consumer's common one. To be made
  /// before the partition is assigned.
  assigned_queue(rd_kafka_s* client, kafka_assignment wanted,
                 kafka_generation generation, topic_changes changes);

  ~assigned_queue() override;

  /// Goes stale: no wake-up and no record from here on.
  void retire() noexcept;

  const kafka_partition& which() const noexcept override;

  kafka_generation generation() const noexcept override;

  void set_wakeup(std::function<void()> wakeup) override;

  drain_result drain(const drain_limits& limits,
                     record_visitor& visitor) override;

  void pause() override;

  void resume() override;

  bool paused() const noexcept override;

  bool stale() const noexcept override;

  std::optional<offset> high_watermark() const override;

private:
  /// Gets more messages from librdkafka, or false when there are none now.
  bool refill();

  /// Hands one message over. Returns false when the drain shall end.
  bool deliver(rd_kafka_message_s& message, record_visitor& visitor,
               drain_result& result);

  /// Files an event that is not a record: the end, or an error.
  bool note(rd_kafka_message_s& message, drain_result& result);

  void drop_held() noexcept;

  bool is_other_topic() const noexcept;

  const kafka_partition which_;
  const kafka_generation generation_;

  /// How often the topic was made again, now and when this was assigned.
  const topic_changes changes_;
  const int64_t changes_then_;

  mutable std::mutex mutex_;

  /// Both gone once retired.
  rd_kafka_s* client_;
  queue_handle queue_;

  std::function<void()> wakeup_;
  bool paused_ = false;

  /// Everything below it is handed out.
  offset position_;

  /// Messages taken from librdkafka but not yet handed out: [next, end).
  std::vector<rd_kafka_message_s*> held_;
  std::size_t held_next_ = 0;
  std::size_t held_end_ = 0;
};

} // namespace millrace::kafka_detail
