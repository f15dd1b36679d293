#pragma once

// The instruments of each kind of actor, looked up once: families live in one
// registry behind a lock. Counting is an atomic addition and belongs to a
// flush, not to a row.

#include "messages/batch.hpp"

#include <caf/fwd.hpp>
#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace millrace {

using caf::telemetry::dbl_gauge;
using caf::telemetry::dbl_histogram;
using caf::telemetry::int_counter;
using caf::telemetry::int_gauge;

/// One counter per value of a family's last label, such as `reason`. Values
/// come from an enumeration; beyond `max_values` they count as `other`.
/// Belongs to one actor: not for several threads.
class counters_by_label {
public:
  static constexpr std::size_t max_values = 32;

  using lookup = std::function<int_counter*(std::string_view)>;

  explicit counters_by_label(lookup find) : find_{std::move(find)} {
  }

  void inc(std::string_view label_value, int64_t n = 1);

private:
  lookup find_;
  std::map<std::string, int_counter*, std::less<>> known_;
};

/// SOURCE and PARTITION CONSUMER, per pipeline.
struct pipeline_metrics {
  int_counter* events_read;
  int_counter* events_elsewhere;
  int_counter* batches_sent;
  int_counter* batches_nacked;
  int_gauge* inflight_bytes;
  int_gauge* lanes_detached;

  /// Of batches that leave the node.
  int_counter* peer_batches_sent;
  int_counter* peer_bytes_sent;
  counters_by_label batches_dropped;
};

pipeline_metrics make_pipeline_metrics(caf::actor_system& sys,
                                       std::string_view pipeline);

/// PARTITION CONSUMER, per partition. Set both to 0 when it ends.
struct partition_metrics {
  int_gauge* lag_messages;
  dbl_gauge* lag_seconds;
};

partition_metrics
make_partition_metrics(caf::actor_system& sys, std::string_view pipeline,
                       std::string_view topic, int32_t number);

/// LANE WRITER, per pipeline and tenant: all shards count together.
struct lane_writer_metrics {
  int_counter* rows_written;
  int_counter* rows_not_found;
  int_counter* events_filtered;
  int_counter* flushes;
  int_counter* takeovers;
  int_counter* in_doubt;
  int_gauge* waiting_events;
  int_gauge* waiting_bytes;

  /// Per pipeline.
  int_counter* crossed_quotes;
  dbl_histogram* flush_seconds;
  dbl_histogram* commit_latency_seconds;

  /// Indexed by `reject_stage`; the first place is unused.
  std::array<int_counter*, 5> dead_letters_by_stage;

  int_counter* dead_letters(reject_stage stage) const {
    return dead_letters_by_stage.at(static_cast<std::size_t>(stage));
  }
};

lane_writer_metrics make_lane_writer_metrics(caf::actor_system& sys,
                                             std::string_view pipeline,
                                             std::string_view tenant);

/// LANE WRITER, for lanes that have waiting events: one gauge per lane.
dbl_gauge* waiting_oldest_gauge(caf::actor_system& sys, const lane_id& lane);

/// KEEPER.
struct keeper_metrics {
  int_gauge* kept_bytes;
  dbl_gauge* oldest_seconds;
  int_counter* pruned;
};

keeper_metrics make_keeper_metrics(caf::actor_system& sys,
                                   std::string_view database);

/// What one pool has of the sessions to a database.
struct database_use {
  int64_t open = 0;
  int64_t busy = 0;

  /// 1 while it waits for a session, else 0.
  int64_t waiting = 0;
};

/// The sum over the pools of a node that have sessions to one database.
struct database_metrics {
  int_gauge* open;
  int_gauge* busy;
  int_gauge* waiting;

  /// A pool has `to` now instead of `from`.
  void move(const database_use& from, const database_use& to) const;
};

/// POOL, per tenant. The sum over the states is the size of the pool.
struct pool_metrics {
  int_gauge* sessions_idle;
  int_gauge* sessions_busy;
  int_gauge* sessions_connecting;
  int_gauge* sessions_down;
  int_gauge* parked;
  int_gauge* backing_off;
  int_counter* reconnects;
  database_metrics database;
};

pool_metrics make_pool_metrics(caf::actor_system& sys, std::string_view tenant,
                               std::string_view database);

/// Whoever looks at the whole tree of a node.
int_gauge* lanes_halted_gauge(caf::actor_system& sys,
                              std::string_view pipeline);
int_gauge* lanes_parked_gauge(caf::actor_system& sys,
                              std::string_view pipeline);
int_gauge* partitions_halted_gauge(caf::actor_system& sys,
                                   std::string_view topic);

/// COORDINATOR.
int_gauge* coordinator_active_gauge(caf::actor_system& sys,
                                    std::string_view database);

/// COORDINATOR TASK, for each table by time. Set it to 0 when it ends.
int_gauge*
partitions_ahead_gauge(caf::actor_system& sys, std::string_view pipeline,
                       std::string_view tenant, std::string_view table);

int_gauge*
partitions_unarchived_gauge(caf::actor_system& sys, std::string_view pipeline,
                            std::string_view tenant, std::string_view table);

/// PEERS.
int_gauge* peers_connected_gauge(caf::actor_system& sys);

/// Whoever runs the statements on `partition_floor`.
int_counter* floor_acts_counter(caf::actor_system& sys, std::string_view kind,
                                std::string_view result);

} // namespace millrace
