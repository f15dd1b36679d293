#pragma once

// A seeded world around the protocol's pure classes: a log, a network that
// loses, repeats and reorders, writers and consumers that are replaced while
// the old ones live on, a database that forgets its last commits. It drives
// the very classes that the actors use.

#include "actors/lane/lane_core.hpp"
#include "actors/source/partition_feed.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace::test {

/// What is broken on purpose, to see that the simulation would tell.
enum class sabotage : uint8_t {
  none,
  /// The claim compares nothing.
  no_claim,
  /// The claim compares epoch and owner, but no offsets.
  epoch_only,
  /// A touched floor act is accepted without looking at the lanes.
  floor_unguarded,
  /// Nobody reads the effective offsets again.
  no_resync,
  /// A catch-up claims to have read what it has not.
  blind_catch_up,
};

struct simulation_config {
  uint64_t seed = 1;
  sabotage broken = sabotage::none;
  std::size_t lanes = 3;
  std::size_t partitions = 2;
  std::size_t events = 30;
  std::size_t steps = 600;
};

/// One run. Nothing when all is well, else what went wrong.
class simulation {
public:
  explicit simulation(simulation_config config);

  ~simulation();

  std::optional<std::string> run();

  /// Lanes that a catch-up brought back to the main reading.
  std::size_t rejoined() const noexcept {
    return rejoined_;
  }

private:
  struct event {
    offset at;
    /// Nothing: no lane wants it.
    std::optional<std::size_t> lane;
    /// The database refuses its rows.
    bool poison = false;
  };

  struct stored_event {
    std::size_t partition;
    offset at;
  };

  struct stored_lane {
    lane_row row;
    std::vector<stored_event> applied;
    std::vector<stored_event> dead;
  };

  struct stored_floor {
    offset floor;
    uuid token;
  };

  /// All that is durable.
  struct database {
    std::vector<stored_lane> lanes;
    std::vector<stored_floor> floors;
  };

  struct consumer {
    std::size_t partition = 0;
    std::unique_ptr<partition_feed> feed;
    bool assigned = false;
  };

  struct writer {
    std::size_t lane = 0;
    std::unique_ptr<lane_core> core;
    lane_step step = lane_step::none;
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

  // -- the database -----------------------------------------------------------

  void commit();
  lane_row read(std::size_t lane) const;
  partition_view view(std::size_t partition) const;
  bool claim_holds(const claim& x) const;
  bool apply(const flush& x);
  bool is_poison(std::size_t partition, offset at) const;
  bool is_refused(const flush_source& x, offset at) const;
  bool holds_poison(const flush& x) const;
  floor_answer act(std::size_t partition, const floor_act& x);

  // -- actors -----------------------------------------------------------------

  void add_writer(std::size_t lane);
  void add_consumer(std::size_t partition);
  void assign(consumer& x);
  void read_some(std::size_t who, std::size_t limit);
  void read(std::size_t who, reading_kind which, std::size_t limit);
  void tend(std::size_t who);
  void send(std::size_t who, std::vector<fed_batch> batches);
  void follow(std::size_t who, partition_feed::consequence x);
  void keep_floor(std::size_t who);
  void audit(std::size_t who);
  void deliver(const parcel& x, std::size_t to);
  void deliver(const letter& x);
  void pump(std::size_t who);
  void advance(std::size_t who, fate f);
  std::size_t last_writer(std::size_t lane) const;
  std::size_t last_consumer(std::size_t partition) const;

  // -- the run ----------------------------------------------------------------

  void chaos();
  bool finish();
  std::optional<std::string> verdict() const;

  std::size_t pick(std::size_t n);
  bool chance(double p);

  simulation_config config_;
  std::mt19937_64 random_;
  partition_cursor::clock::time_point now_{std::chrono::hours{1}};
  std::vector<std::vector<event>> log_;
  std::vector<offset> end_;
  std::vector<lane_id> ids_;
  std::vector<partition_id> sources_;
  database pg_;
  std::vector<database> history_;
  std::vector<writer> writers_;
  std::vector<consumer> consumers_;
  std::vector<parcel> parcels_;
  std::vector<letter> letters_;
  std::size_t rejoined_ = 0;
  std::size_t locked_lane_ = 0;
  std::size_t locked_until_ = 0;
};

} // namespace millrace::test
