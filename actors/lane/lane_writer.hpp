#pragma once

#include "actors/admin/metrics.hpp"
#include "actors/cluster/restart_policy.hpp"
#include "actors/cluster/vitals.hpp"
#include "actors/lane/lane_core.hpp"
#include "actors/lane/parent_wait.hpp"
#include "actors/lane/waiting_alarm.hpp"
#include "messages/lane.hpp"
#include "messages/store.hpp"

#include <caf/actor_clock.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>

namespace millrace {

/// Maps a waiting event again from its record, for a lane whose row is this.
/// Rows of writes that are made always are not among its rows.
using waiting_mapper
  = std::function<batch_ptr(const waiting_event&, const lane_row&)>;

/// How a lane's events wait for rows that are not there yet.
struct waiting_options {
  /// Makes a mapper of the lane's own when it is needed first. Unset: nothing
  /// of the lane ever waits.
  std::function<waiting_mapper()> make_mapper;

  /// That the mapper maps by. Unset: the pipeline's, whichever that is.
  std::optional<program_map> map = {};

  /// What has waited for so long becomes a dead letter.
  std::chrono::milliseconds keep{3'600'000};

  /// Between tries: at first, and at most.
  std::chrono::milliseconds retry_first{100};
  std::chrono::milliseconds retry_max{30'000};
};

/// What a LANE WRITER is made of.
struct lane_writer_config {
  lane_id lane;
  lane_limits limits;

  /// How the lane's rows reach their tables.
  write_plan_ptr plan;

  /// By block, what the core must know of the plan's writes.
  write_traits writes;
  waiting_options waiting;

  /// Name of the node, stored with each takeover.
  std::string node;

  /// Give up on an answer of the POOL after this time and treat a flush as
  /// in doubt. Longer than any statement may run, so that it decides nothing
  /// that PostgreSQL's own timeouts would.
  std::chrono::milliseconds store_timeout{180'000};

  /// Give up on a record that is read once more for its dead letter, and ask
  /// again after a delay. Longer than Kafka's own timeouts.
  std::chrono::milliseconds record_timeout{60'000};

  /// Delays between tries of a step that failed.
  backoff_config delays{.initial = std::chrono::milliseconds{50},
                        .max = std::chrono::milliseconds{10'000}};

  /// Called with a sentence when the tables turn out to have other columns than
  /// rows are encoded for (rule 26): only another program can write them.
  std::function<void(const std::string& why)> on_other_columns;

  /// A lane that found its tenant's tables unusable tries again after these
  /// times: what is missing may be there by then.
  backoff_config park_delays{.initial = std::chrono::milliseconds{1'000},
                             .max = std::chrono::milliseconds{30'000},
                             .jitter = 0.2};

  /// Between looks at whether a halted lane's row is active again.
  std::chrono::milliseconds park_retry{30'000};
};

/// Names the first value that makes no sense, or returns nothing.
std::optional<std::string> validate(const lane_writer_config& config);

/// Writes one lane: the shell around `lane_core`, which decides everything.
///
/// Judges each batch as it comes, keeps one flush in flight, and gathers the
/// next one meanwhile. Answers each batch to the PARTITION CONSUMER it came
/// from. On failure nothing needs undoing: a new LANE WRITER takes the lane
/// over under a new owner id, and consumers send again what was not
/// acknowledged. Ends with its POOL or its ROUTER. Restarted by TENANT.
class lane_writer_state {
public:
  static inline const char* name = "millrace.lane-writer";

  lane_writer_state(lane_writer_actor::pointer self, lane_writer_config config,
                    pool_actor pool, router_actor router);

  ~lane_writer_state();

  lane_writer_actor::behavior_type make_behavior();

private:
  void receive(lane_batch& x);
  void resume();

  // In lane_writer_frames.cpp.
  void receive(batch_frame& x);
  void bound_frames(origin latest);
  void fetch();
  void fetch_from(uint64_t byte);
  void on_fetched(frame& x);
  void on_not_fetched(const std::string& why);

  /// Passes the core's answers on and opens its next step.
  void pump();
  void send_replies();
  void take_over();
  void load(bool for_update);
  void flush_now();
  void on_flushed(flush_result& result);
  void on_failed(flush_result& result);
  void park(const std::string& why);
  void on_parked_tenant(const std::string& why);
  void on_no_room(const std::string& why);
  void on_refused_data(flush_result& result);
  void on_step_error(const caf::error& reason);
  void on_halted();
  void write_halt_down();
  void wait_for_mend();

  // In lane_writer_waiting.cpp.
  void ask_waiting();
  void ask_later(std::chrono::milliseconds delay);
  void read_waiting();
  void tend_waiting();
  void arm_retry();
  void retry_now();
  void on_woken();
  void show_waiting();
  void show_oldest(int64_t waited_ms);
  void warn_of_waiting();

  /// Opens no step before the delay has passed.
  void cool_down(std::chrono::milliseconds delay);
  void count(const flush_result& result);

  /// The number that stands for a sender of batches.
  origin origin_of(const caf::actor& who);
  void forget_origins();

  lane_writer_actor::pointer self_;
  lane_writer_config config_;
  pool_actor pool_;
  router_actor router_;
  lane_core core_;
  vitals vitals_{name, "idle"};
  lane_writer_metrics metrics_;
  backoff delays_;
  backoff park_delays_;
  parent_wait parents_;
  std::mt19937_64 chance_;

  /// Who gets the answers. Two consumers of one partition may send at once,
  /// an old one and the one that takes its place.
  std::map<origin, caf::actor> origins_;
  uint32_t last_origin_ = 0;
  std::size_t origins_limit_ = 64;

  /// Of batches that come in frames, by sender.
  std::map<origin, frame_assembly> framed_;

  /// Of the record that is wanted: what has come of it, of which partition it
  /// is while somebody is asked for it, and the number of that question.
  frame_assembly record_;
  std::optional<partition_id> asked_;
  uint64_t question_ = 0;

  /// The last sender for each partition: who can read its records.
  std::map<partition_id, caf::actor> consumers_;

  /// When a refused event was last logged, and how many were not since.
  caf::actor_clock::time_point last_refusal_;
  int64_t unlogged_ = 0;

  // Of the next try of waiting events.
  waiting_mapper mapper_;
  bool asking_ = false;
  bool ask_again_ = false;
  bool retry_armed_ = false;
  bool woken_ = false;
  bool sleeps_ = false;
  uint64_t retry_timer_ = 0;
  int futile_ = 0;
  int64_t released_ = 0;
  caf::actor_clock::time_point last_try_;

  /// As the gauges have them.
  int64_t shown_events_ = 0;
  int64_t shown_bytes_ = 0;
  dbl_gauge* oldest_ = nullptr;
  std::chrono::milliseconds oldest_waited_{0};
  waiting_alarm waiting_alarm_;

  bool cooling_ = false;

  /// The latest one counts.
  uint64_t cooling_number_ = 0;

  /// Waits for its tenant's tables or for room, by itself or as the POOL says.
  bool parked_ = false;
  int64_t flushes_ = 0;
  int64_t rows_ = 0;
  int64_t takeovers_ = 0;
  int64_t fenced_ = 0;
  int64_t refused_ = 0;
  int64_t failed_ = 0;
  int64_t bisected_ = 0;
};

/// The spawnable type: `self->spawn<lane_writer>(config, pool, router)`.
using lane_writer = lane_writer_actor::stateful_impl<lane_writer_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
caf::actor spawn_lane_writer(caf::local_actor* parent,
                             lane_writer_config config, pool_actor pool,
                             router_actor router);

} // namespace millrace
