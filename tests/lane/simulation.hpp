#pragma once

// A seeded world around the protocol's pure classes: partitions of several
// topics, a network that loses, repeats and reorders, writers and consumers
// that are replaced while the old ones live on, a database that forgets its
// last commits. It drives the very classes that the actors use.

#include "actors/lane/lane_core.hpp"
#include "actors/lane/parent_wait.hpp"
#include "actors/source/partition_feed.hpp"
#include "tests/lane/simulation_choices.hpp"
#include "tests/lane/simulation_counts.hpp"
#include "tests/lane/simulation_database.hpp"
#include "tests/lane/simulation_variants.hpp"

#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

struct simulation_config {
  variant broken = {};

  /// Broken together with it.
  variant too = {};
  std::size_t partitions = 3;
  std::size_t events = 20;
  std::size_t steps = 600;

  /// The pipeline is a backfill: it reads up to an end that moves on, and is
  /// done there.
  bool backfill = false;

  /// Tells in words what happens, see `trace`.
  bool tracing = false;
};

/// One run. Nothing when all is well, else what went wrong: the first word is
/// LOST, DUP, ORDER, WRONG, DEAD, WAIT, ROWS or SHAPE (what is written is not
/// what is in the log, or became of it for no reason), BACK (offsets moved
/// back), SEQ (a number is given twice), BEYOND (a backfill writes behind its
/// end), ACK (of what never was durable), HALT (of a lane, without need),
/// INVARIANT (a check of the core) or STUCK.
class simulation {
public:
  simulation(simulation_config config, choices& draws);

  ~simulation();

  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;

  std::optional<std::string> run();

  const simulation_counts& counts() const noexcept {
    return counts_;
  }

  /// One line per thing that happened.
  const std::vector<std::string>& trace() const noexcept {
    return trace_;
  }

private:
  struct asked_view {
    partition_view view;
    std::vector<offset> acks;
  };

  struct asked_floor {
    floor_act act;
    floor_answer answer;
  };

  struct consumer {
    std::size_t partition = 0;
    std::unique_ptr<partition_feed> feed;
    bool alive = true;
    bool assigned = false;

    // Answers of the database that it has not heard yet.
    std::optional<partition_view> start_view;
    std::optional<asked_view> seen;
    std::optional<asked_floor> asked;

    /// Of an act that was asked for before this assignment (`late_floor`).
    std::optional<asked_floor> stale;
  };

  /// What came of a writer's step.
  enum class outcome : uint8_t {
    failed,
    no_row,
    inactive,
    taken,
    row,
    fetched,
    committed,
    refused,
    poison,
    no_parent,
    missing,
    lost,
    retry,
    smaller,
    events,
  };

  struct writer_answer {
    outcome what = outcome::failed;
    std::optional<lane_row> row = {};
    bool found = true;

    /// What waits is read after the row, when the writer hears.
    bool torn = false;
    std::vector<missing_write> lacks = {};
    std::vector<retried_event> retried = {};
  };

  struct writer {
    std::size_t lane = 0;
    std::unique_ptr<lane_core> core;
    lane_step step = lane_step::none;
    std::optional<writer_answer> waiting;
    int64_t dropped = 0;
    parent_wait parents;

    /// Of the rows that its program makes of waiting events.
    millrace::shape shape;

    // When waiting events are tried again.
    std::optional<sim_time> next_ask;
    bool sleeps = false;
    bool woken = false;
    int futile = 0;
    int64_t released = 0;
    sim_time last_try;
    std::optional<sim_time> next_try;
  };

  /// Somebody who replays dead letters, one after the other.
  struct replayer {
    sim_letter letter = {};
    std::size_t lane = 0;

    /// Taken over for it.
    std::optional<lane_row> row;
    bool in_doubt = false;
  };

  struct parcel {
    std::size_t lane;
    std::size_t consumer;
    batch_ptr data;
  };

  struct letter {
    std::size_t lane;
    std::size_t consumer;
    lane_reply reply;
  };

  enum class fate : uint8_t { done, nothing_happened, outcome_unknown };

  // -- consumers --------------------------------------------------------------

  std::size_t add_consumer(std::size_t p);
  void retire(std::size_t who, const char* why);
  bool lanes_as_made(const consumer& x, const partition_view& view) const;
  void start(std::size_t who);
  void read_some(std::size_t who, std::size_t limit);
  void read(std::size_t who, reading_kind which, std::size_t limit);
  void take(consumer& x, const sim_event& e);
  void tend(std::size_t who);
  void send(std::size_t who, std::vector<fed_batch> batches);
  void upkeep(std::size_t who);
  bool settle_floor(std::size_t who);
  void judge_view(std::size_t who);
  std::vector<offset> cuts(const consumer& x) const;
  void count_rewinds(const consumer& x, const std::vector<offset>& before);
  void deliver(const letter& x);
  bool is_done(std::size_t p) const;

  // -- writers ----------------------------------------------------------------

  std::size_t add_writer(std::size_t lane);
  void deliver(const parcel& x, std::size_t to);
  void pump(std::size_t who);
  void reconnect(std::size_t who);
  void check_replies(const writer& w, const addressed_reply& x);
  void execute(std::size_t who, fate f);
  writer_answer take_over(std::size_t lane, fate f);
  writer_answer resolve(std::size_t lane, fate f);
  writer_answer flush_now(writer& w, fate f);
  bool settled(std::size_t lane);
  void count(const flush& x);
  void tell(std::size_t who);
  bool waits_for_parents(writer& w, std::vector<missing_write>& lacks);
  void tell_refused(writer& w, outcome what, std::vector<missing_write> lacks);
  std::size_t last_writer(std::size_t lane);
  std::size_t last_consumer(std::size_t p) const;

  // -- waiting and replay -----------------------------------------------------

  writer_answer read_waiting(const writer& w);
  void tend_waiting(writer& w);
  void arm_retry(writer& w);
  void run_timers(std::size_t who);
  bool asks_waiting(writer& w);
  void wake_others();
  void watch_waiting();
  void replay_some();
  void begin_replay();
  void begin_replay_in_lane();
  void resolve_replay();
  sim_work replay_work() const;
  void flush_replay();

  // -- the run ----------------------------------------------------------------

  void make_world();
  void chaos();
  void step();
  void move_parcel();
  void move_letter();
  void change_world(std::size_t x);
  void append_slot();
  void mend(std::size_t who);
  void fail_over(std::size_t commits);
  void toggle_lane();
  void plan_change();
  void try_switch();
  void move_other();
  void end_backfill();
  bool go_beyond(std::size_t p, std::size_t events);
  void come_to_end();
  std::size_t lanes_of_next_map() const;
  bool finish();
  void begin_finish();
  void say_where_all_is();
  void exhaust_messages();

  template <class... Args>
  void say(std::format_string<Args...> text, Args&&... args) {
    if (config_.tracing)
      trace_.push_back(std::to_string(step_) + ": "
                       + std::format(text, std::forward<Args>(args)...));
  }

  bool is_broken(sabotage x) const noexcept {
    return config_.broken.around == x || config_.too.around == x;
  }

  simulation_config config_;
  choices& draws_;
  partition_cursor::clock::time_point now_{std::chrono::hours{1}};
  std::vector<sim_partition> partitions_;
  sim_database db_;
  std::vector<writer> writers_;
  std::vector<consumer> consumers_;
  std::vector<parcel> parcels_;
  std::vector<letter> letters_;
  std::vector<offset> kafka_commits_;
  std::optional<replayer> replayer_;
  std::size_t locked_lane_ = 0;
  std::size_t locked_until_ = 0;
  bool ends_with_change_ = false;

  /// Since when events wait for nothing, when nothing fails any more.
  std::vector<std::pair<sim_place, sim_time>> ripe_;

  /// Commits that are forgotten at the end of all that fails.
  std::size_t last_failover_ = 0;

  /// Events write rows that others need; else each stands for itself.
  bool mixed_ = false;
  std::size_t first_change_ = 0;
  std::size_t step_ = 0;
  simulation_counts counts_;
  std::vector<std::string> trace_;
};

} // namespace millrace::test
