#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/decode/decoder.hpp"
#include "actors/source/kafka_consumer.hpp"
#include "actors/source/look_pace.hpp"
#include "actors/source/partition_feed.hpp"
#include "actors/source/partition_reading.hpp"
#include "messages/lane.hpp"
#include "messages/source.hpp"
#include "messages/store.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// What a PARTITION CONSUMER is made of.
struct partition_consumer_config {
  feed_config feed;
  program_ptr program;

  partition_reading_config reading;

  /// A lane that is busy gets its next batch at the latest after this time; an
  /// idle one gets it at once.
  std::chrono::milliseconds linger{5};

  /// How often floors are proposed and acks are held against the database.
  std::chrono::milliseconds floor_interval{5'000};

  /// The same while the map is about to change, when everybody waits for the
  /// floor; and, as long as floors move, at the end of a backfill.
  std::chrono::milliseconds change_interval{500};

  /// How often lag is measured and overdue acks are looked for.
  std::chrono::milliseconds tick{250};

  /// Between a catch-up reader that was lost and the next one.
  std::chrono::milliseconds catch_up_pause{1'000};

  std::chrono::milliseconds store_timeout{30'000};
  std::chrono::milliseconds source_timeout{60'000};

  backoff_config delays{.initial = std::chrono::milliseconds{100},
                        .max = std::chrono::milliseconds{10'000}};
};

/// Who a PARTITION CONSUMER works with.
struct partition_consumer_peers {
  /// Answers questions about lanes and floors.
  pool_actor pool;
  source_actor source;
  router_actor router;
};

/// Reads one partition and feeds its lanes: the shell around
/// `partition_feed`, which decides what is read, sent and sent again.
///
/// Starts from durable truth each time: view, log bounds, floor act, and only
/// then the first record (rules 2 to 4). Holes in the offsets are read a
/// second time before a batch may claim them (rule 4c); nothing of a reading
/// is cut while one of its own is open. Lanes that hold the others up, that
/// are resumed or that need little again are brought their events by a second
/// reading (rule 7). A lane that retention ran past is halted in its row, the
/// others go on. Ends with its SOURCE and its ROUTER; the next SOURCE starts a
/// new one.
class partition_consumer_state : private partition_reading::owner {
public:
  static inline const char* name = "millrace.partition-consumer";

  partition_consumer_state(partition_consumer_actor::pointer self,
                           partition_consumer_config config,
                           partition_consumer_peers peers);

  partition_consumer_state(const partition_consumer_state&) = delete;

  partition_consumer_state& operator=(const partition_consumer_state&) = delete;

  ~partition_consumer_state() override;

  partition_consumer_actor::behavior_type make_behavior();

private:
  using clock = partition_cursor::clock;

  /// Where the start from durable truth has got to.
  enum class phase : uint8_t { starting, reading, halted, finished };

  // -- start (rules 2 to 4) ---------------------------------------------------

  void start();
  void on_view(partition_view& view);
  void on_log(const partition_view& view, offset_range log);
  void first_floor_act();
  void stop_reading();
  void start_again(const std::string& why) override;
  void halt(partition_halt why, const std::string& reason) override;

  /// A backfill that lacks nothing any more: nothing is read until the
  /// database says otherwise.
  void finish(const partition_view& view);

  /// Starts again once the floor row is active, or a backfill's end is not
  /// reached any more.
  void watch_row(std::chrono::milliseconds interval);

  /// For reports: lanes that others have halted show as well.
  void note_halted_lanes(const partition_view& view);

  // -- reading ----------------------------------------------------------------

  void drain();
  void on_read_error(const kafka_error& x) override;
  void on_queue(reading_kind which) override;
  void on_turn(reading_kind which, int64_t events, bool more) override;
  void on_verified(reading_kind which) override;
  void on_no_reader(reading_kind which, const std::string& why) override;
  void tend_catch_up();
  void wake_blocked();
  void note_changes();

  // -- sending ----------------------------------------------------------------

  partition_reading& reading(reading_kind which) noexcept {
    return which == reading_kind::main ? main_ : catch_up_;
  }

  void cut_idle_lanes(reading_kind which);
  void arm_linger();
  void send(std::vector<fed_batch> batches);
  void on_answer(const lane_answer& x);
  void on_route(const lane_route& x);
  void follow(partition_feed::consequence x);
  caf::result<frame> fetch(const record_request& x);

  // -- upkeep -----------------------------------------------------------------

  /// A view with what was acknowledged when it was asked for.
  struct asked_view {
    partition_view view;
    std::vector<offset> acks;
  };

  void tick();
  void keep_up();
  bool waits_at_end() const;
  std::chrono::milliseconds look_interval() const;
  bool lanes_as_made(const partition_view& view);
  void make_way();
  void check_log();
  void on_checked(offset_range log, offset position_then);
  void audit();
  void judge_view(const asked_view& x);
  void note_barrier();
  void tend_barrier();
  void propose_floor();
  void measure_lag();

  /// Made when it is first known where the partition ends: no lag is not the
  /// same as one that nobody knows.
  partition_metrics& lag();
  void remember_time(offset to, int64_t oldest_ms);
  void tell_lost();
  void tell_next_lost();

  /// The actor system's clock.
  clock::time_point now() const;

  partition_consumer_actor::pointer self_;
  partition_consumer_config config_;
  partition_consumer_peers peers_;
  partition_feed feed_;
  decoder decoder_;
  vitals vitals_{name, "starting"};
  pipeline_metrics metrics_;
  std::optional<partition_metrics> lag_;
  backoff delays_;
  std::mt19937_64 chance_;
  phase phase_ = phase::starting;

  /// Grows with each start; answers to an older one are ignored.
  int64_t starts_ = 0;

  partition_reading main_;
  partition_reading catch_up_;

  /// No run begins before.
  clock::time_point catch_up_from_;
  slot slot_;

  /// By lane; empty handles where nobody writes the lane now.
  std::vector<caf::actor> writers_;

  /// As the last view had them.
  std::vector<std::size_t> halted_lanes_;

  /// Came while holes were open; judged once they are closed.
  std::optional<asked_view> late_view_;

  /// Lanes whose rows do not say yet that they are lost; the last one is being
  /// told of.
  std::vector<lost_lane> lost_;
  bool lingering_ = false;
  bool asking_ = false;
  bool checking_ = false;

  /// Since some lane last acknowledged anything.
  int hand_backs_ = 0;

  /// The barrier that was told of in the log.
  std::optional<offset> told_barrier_;

  /// As the last view had it: which backfill the pipeline waits for, or, in a
  /// backfill, where that ends.
  std::string held_by_;
  std::optional<offset> until_;
  bool ends_ = false;
  look_pace end_pace_;
  clock::time_point last_floor_;
  std::optional<offset> log_end_;

  /// Fresh starts because of an offset or topic that was not there.
  int doubts_in_a_row_ = 0;

  /// Ends and oldest record times of what was sent, for the lag in seconds.
  /// At most some thousand.
  std::deque<std::pair<offset, int64_t>> sent_times_;
  int64_t events_ = 0;
  int64_t caught_up_events_ = 0;
  int64_t batches_ = 0;
  int64_t counted_bytes_ = 0;
  int64_t counted_detached_ = 0;
};

/// The spawnable type: `self->spawn<partition_consumer>(config, peers)`.
using partition_consumer
  = partition_consumer_actor::stateful_impl<partition_consumer_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
caf::actor spawn_partition_consumer(caf::local_actor* parent,
                                    partition_consumer_config config,
                                    partition_consumer_peers peers);

} // namespace millrace
