#pragma once

#include "actors/decode/decoder.hpp"
#include "actors/source/kafka_consumer.hpp"
#include "actors/source/partition_feed.hpp"
#include "config/pipeline.hpp"
#include "messages/lane.hpp"
#include "messages/source.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// Limits of a reading.
struct partition_reading_config {
  /// One turn takes at most this much, then others get theirs.
  drain_limits turn;

  /// Assign anew when records are there and none has come for this long. A
  /// guard: what stalls a healthy client is not known to us.
  std::chrono::milliseconds stall{5'000};

  /// What to do about offsets that are not delivered (rule 4c).
  gap_policy gaps = gap_policy::verify;

  std::chrono::milliseconds source_timeout{60'000};
};

/// One of the two readings of a partition, the main one or the catch-up: its
/// queue, the holes in its offsets with their verification (rule 4c), its read
/// errors and its watchdog. What it reads is decoded into the feed.
///
/// Part of a PARTITION CONSUMER, which outlives it and decides what follows.
class partition_reading {
public:
  using clock = partition_cursor::clock;

  /// What the PARTITION CONSUMER does about what a reading meets. Each call
  /// may stop the reading.
  class owner {
  public:
    virtual ~owner() = default;

    /// A new queue is there.
    virtual void on_queue(reading_kind which) = 0;

    /// A turn is over; `more` records may be there.
    virtual void on_turn(reading_kind which, int64_t events, bool more) = 0;

    /// No hole is open any more.
    virtual void on_verified(reading_kind which) = 0;

    /// The reader is gone or cannot be had; asking again later may help.
    virtual void on_no_reader(reading_kind which, const std::string& why) = 0;

    /// Nothing more will be read: another start or a halt has to follow.
    virtual void on_read_error(const kafka_error& x) = 0;

    /// Only durable truth tells how to go on.
    virtual void start_again(const std::string& why) = 0;

    virtual void halt(partition_halt why, const std::string& reason) = 0;
  };

  partition_reading(reading_kind which, partition_consumer_actor::pointer self,
                    partition_reading_config config, source_actor source,
                    partition_feed& feed, decoder& decode, owner& above);

  partition_reading(const partition_reading&) = delete;

  partition_reading& operator=(const partition_reading&) = delete;

  ~partition_reading();

  /// Reads from the feed's position on, by a new assignment. Open holes stay
  /// open.
  void assign();

  /// No queue and no holes; answers under way are ignored.
  void stop();

  /// Reads one turn, unless it has to wait.
  void drain();

  /// Waits for credit or for a hole.
  bool is_blocked() const noexcept {
    return blocked_;
  }

  /// Waited, and has nothing to wait for any more.
  bool is_due() const {
    return blocked_ && queue_ && !has_to_wait();
  }

  /// While some are open, nothing that was read may be cut (I5).
  bool has_holes() const noexcept {
    return !holes_.empty();
  }

  /// To be called now and then; `target` is where records are known to be
  /// below.
  void watch_for_stall(offset target);

  /// The log is known to end there. Where it is beyond what the client has
  /// told, the client has some time to deliver.
  void note_log_end(offset end);

  /// The end of the log was the last thing seen.
  bool is_at_end() const noexcept {
    return at_end_;
  }

  /// Its queue was taken away.
  bool is_stale() const {
    return queue_ && queue_->stale();
  }

  std::optional<offset> high_watermark() const {
    return queue_ ? queue_->high_watermark() : std::nullopt;
  }

  /// Records that were passed over since the last call, as they are for
  /// another database.
  int64_t take_elsewhere() noexcept {
    return std::exchange(elsewhere_, 0);
  }

  /// Timestamp of the record read last; 0 before the first.
  int64_t last_read_ms() const noexcept {
    return last_read_ms_;
  }

private:
  class visitor;

  void take(partition_queue_ptr queue);
  bool has_to_wait() const;
  bool read(const record_view& record);
  void on_drained(const drain_result& result, int64_t events);
  void note_hole(offset from, offset to);
  bool may_verify();
  void verify_holes();
  void on_seen(const offset_range& all, const std::vector<offset>& seen);
  void drop_queue();
  offset position() const noexcept;
  clock::time_point now() const;

  const reading_kind which_;
  partition_consumer_actor::pointer self_;
  partition_reading_config config_;
  source_actor source_;
  partition_feed& feed_;
  decoder& decoder_;
  owner& owner_;

  /// Grows with each stop; answers to questions from before are ignored.
  int64_t round_ = 0;

  /// Grows with each assignment that is asked for; queues of an older one are
  /// not taken.
  int64_t assigns_ = 0;
  partition_queue_ptr queue_;

  /// Offsets that were not there, until a second reader has looked.
  std::vector<offset_range> holes_;
  bool verifying_ = false;
  int gaps_found_ = 0;
  bool blocked_ = false;

  /// When a record or the end of the log was last seen, or could not be.
  clock::time_point progress_;
  bool at_end_ = false;
  int stalls_in_a_row_ = 0;
  int64_t events_ = 0;
  int64_t elsewhere_ = 0;
  int64_t last_read_ms_ = 0;
};

} // namespace millrace
