#pragma once

// Every metric of Millrace: name, unit, labels, help. Nothing else in the
// project spells a metric's name. Labels are bounded by configuration
// (pipelines, tenants, tables, topics and their partitions) or by an
// enumeration. As long as there are metrics, since it is one table.

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace {

enum class metric_kind : uint8_t { counter, gauge, histogram };

struct metric_info {
  /// As Prometheus shows it: `millrace_<noun>_<unit>[_total]`.
  std::string_view name;
  metric_kind kind;
  std::string_view unit;

  /// Unused places are empty.
  std::array<std::string_view, 3> labels;
  std::string_view help;
};

namespace metric_names {

// -- reading ------------------------------------------------------------------

inline constexpr metric_info events_read{
  "millrace_events_read_total",
  metric_kind::counter,
  "events",
  {"pipeline"},
  "Kafka records read and decoded, rejects included."};

inline constexpr metric_info events_elsewhere{
  "millrace_events_elsewhere_total",
  metric_kind::counter,
  "events",
  {"pipeline"},
  "Records read and passed over, as another database has their tenant."};

inline constexpr metric_info lag_messages{
  "millrace_lag_messages",
  metric_kind::gauge,
  "offsets",
  {"pipeline", "topic", "partition"},
  "Offsets between the end of the partition and what is durable."};

inline constexpr metric_info lag_seconds{
  "millrace_lag_seconds",
  metric_kind::gauge,
  "seconds",
  {"pipeline", "topic", "partition"},
  "Age of the oldest record that is not durable; 0 when there is none."};

inline constexpr metric_info inflight_bytes{
  "millrace_inflight_bytes",
  metric_kind::gauge,
  "bytes",
  {"pipeline"},
  "Bytes of batches that were sent to lanes and are not acknowledged."};

inline constexpr metric_info lanes_detached{
  "millrace_lanes_detached",
  metric_kind::gauge,
  "lanes",
  {"pipeline"},
  "Lanes, per partition, that the partition is read on without."};

inline constexpr metric_info lanes_halted{
  "millrace_lanes_halted",
  metric_kind::gauge,
  "lanes",
  {"pipeline"},
  "Lanes that this node reads for or writes and that are halted."};

inline constexpr metric_info lanes_parked{
  "millrace_lanes_parked",
  metric_kind::gauge,
  "lanes",
  {"pipeline"},
  "Lanes of this node that wait for what their flushes lack."};

inline constexpr metric_info partitions_halted{
  "millrace_partitions_halted",
  metric_kind::gauge,
  "partitions",
  {"topic"},
  "Partitions that this node should read and that are halted."};

inline constexpr metric_info batches_sent{
  "millrace_batches_sent_total",
  metric_kind::counter,
  "batches",
  {"pipeline"},
  "Batches sent to lane writers, repeats included."};

inline constexpr metric_info batches_nacked{
  "millrace_batches_nacked_total",
  metric_kind::counter,
  "batches",
  {"pipeline"},
  "Batches that a lane writer refused; they are sent again."};

inline constexpr metric_info batches_dropped{
  "millrace_batches_dropped_total",
  metric_kind::counter,
  "batches",
  {"pipeline", "reason"},
  "Batches ignored because they were stale or known already, by reason."};

inline constexpr metric_info events_filtered{
  "millrace_events_filtered_total",
  metric_kind::counter,
  "events",
  {"pipeline", "tenant"},
  "Events without rows: nobody takes them, or no condition holds."};

inline constexpr metric_info crossed_quotes{
  "millrace_crossed_quotes_total",
  metric_kind::counter,
  "events",
  {"pipeline"},
  "Quotes whose bid is above their ask; they are written all the same."};

inline constexpr metric_info floor_acts{
  "millrace_floor_acts_total",
  metric_kind::counter,
  "acts",
  {"kind", "result"},
  "Statements that moved or read a partition's floor, by kind and result."};

// -- writing ------------------------------------------------------------------

inline constexpr metric_info rows_written{
  "millrace_rows_written_total",
  metric_kind::counter,
  "rows",
  {"pipeline", "tenant"},
  "Rows committed, before upserts fold into each other."};

inline constexpr metric_info rows_not_found{
  "millrace_rows_not_found_total",
  metric_kind::counter,
  "rows",
  {"pipeline", "tenant"},
  "Updates and deletes that found no row: once per write, key and flush."};

inline constexpr metric_info dead_letters{
  "millrace_dead_letters_total",
  metric_kind::counter,
  "events",
  {"pipeline", "tenant", "stage"},
  "Events committed to dead_letter, by the stage that refused them."};

inline constexpr metric_info waiting_events{
  "millrace_waiting_events",
  metric_kind::gauge,
  "events",
  {"pipeline", "tenant"},
  "Events in the table waiting, of the lanes that this node has taken over."};

inline constexpr metric_info waiting_bytes{
  "millrace_waiting_bytes",
  metric_kind::gauge,
  "bytes",
  {"pipeline", "tenant"},
  "Bytes of their keys, headers and values."};

inline constexpr metric_info waiting_oldest_seconds{
  "millrace_waiting_oldest_seconds",
  metric_kind::gauge,
  "seconds",
  {"pipeline", "tenant", "shard"},
  "Age of a lane's oldest waiting event when it was last tried; 0 without."};

inline constexpr metric_info dead_letters_kept_bytes{
  "millrace_dead_letters_kept_bytes",
  metric_kind::gauge,
  "bytes",
  {"database"},
  "Bytes of all dead letters in the database when a node last looked."};

inline constexpr metric_info dead_letters_oldest_seconds{
  "millrace_dead_letters_oldest_seconds",
  metric_kind::gauge,
  "seconds",
  {"database"},
  "Age of the oldest dead letter when a node last looked."};

inline constexpr metric_info dead_letters_pruned{
  "millrace_dead_letters_pruned_total",
  metric_kind::counter,
  "events",
  {"database"},
  "Dead letters that this node removed because they were beyond the limits."};

inline constexpr metric_info flushes{
  "millrace_flushes_total",
  metric_kind::counter,
  "flushes",
  {"pipeline", "tenant"},
  "Flushes committed: one PostgreSQL transaction of one lane each."};

inline constexpr metric_info flush_seconds{
  "millrace_flush_seconds",
  metric_kind::histogram,
  "seconds",
  {"pipeline", "tenant"},
  "Time from handing a flush to the pool to its commit."};

inline constexpr metric_info commit_latency_seconds{
  "millrace_commit_latency_seconds",
  metric_kind::histogram,
  "seconds",
  {"pipeline", "tenant"},
  "Time from a record's timestamp to its commit, per batch: oldest record."};

inline constexpr metric_info takeovers{
  "millrace_takeovers_total",
  metric_kind::counter,
  "takeovers",
  {"pipeline", "tenant"},
  "Lanes taken over: each start of a lane writer is one."};

inline constexpr metric_info in_doubt{
  "millrace_in_doubt_total",
  metric_kind::counter,
  "flushes",
  {"pipeline", "tenant"},
  "Flushes whose commit was sent and whose answer was lost."};

inline constexpr metric_info sessions{
  "millrace_sessions",
  metric_kind::gauge,
  "sessions",
  {"tenant", "state"},
  "PostgreSQL sessions of the tenant's pool, by state."};

inline constexpr metric_info database_sessions{
  "millrace_database_sessions",
  metric_kind::gauge,
  "sessions",
  {"database", "state"},
  "PostgreSQL sessions that share max_sessions: open, busy, and waited for."};

inline constexpr metric_info tenants_parked{
  "millrace_tenants_parked",
  metric_kind::gauge,
  "tenants",
  {"tenant"},
  "1 while no lane of the tenant can write, as its tables are unusable."};

inline constexpr metric_info tenants_backing_off{
  "millrace_tenants_backing_off",
  metric_kind::gauge,
  "tenants",
  {"tenant"},
  "1 while the tenant's lanes wait, as the server is short of something."};

inline constexpr metric_info reconnects{
  "millrace_reconnects_total",
  metric_kind::counter,
  "connections",
  {"tenant"},
  "Connections to PostgreSQL made after the first one was lost."};

// -- one for all -------------------------------------------------------------

inline constexpr metric_info coordinator_active{
  "millrace_coordinator_active",
  metric_kind::gauge,
  "nodes",
  {"database"},
  "1 while this node coordinates the database, else 0."};

inline constexpr metric_info partitions_ahead{
  "millrace_partitions_ahead",
  metric_kind::gauge,
  "periods",
  {"pipeline", "tenant", "table"},
  "Periods after the one of now that have a partition, without a gap; 0 on "
  "nodes that do not coordinate."};

inline constexpr metric_info partitions_unarchived{
  "millrace_partitions_unarchived",
  metric_kind::gauge,
  "partitions",
  {"pipeline", "tenant", "table"},
  "Partitions that are detached and stay because their archives cannot be "
  "written; 0 on nodes that do not coordinate."};

// -- between nodes -----------------------------------------------------------

inline constexpr metric_info peers_connected{
  "millrace_peers_connected",
  metric_kind::gauge,
  "nodes",
  {},
  "Other nodes of the cluster that this one works with now."};

inline constexpr metric_info peer_batches_sent{
  "millrace_peer_batches_sent_total",
  metric_kind::counter,
  "batches",
  {"pipeline"},
  "Batches sent to lane writers of other nodes, repeats included."};

inline constexpr metric_info peer_bytes_sent{
  "millrace_peer_bytes_sent_total",
  metric_kind::counter,
  "bytes",
  {"pipeline"},
  "Bytes of the batches sent to lane writers of other nodes."};

// -- the process --------------------------------------------------------------
// Their names are those of every Prometheus client, without our prefix.

inline constexpr metric_info build_info{"millrace_build_info",
                                        metric_kind::gauge,
                                        "",
                                        {"version"},
                                        "Always 1; the labels tell the build."};

inline constexpr metric_info process_cpu_seconds{
  "process_cpu_seconds_total",
  metric_kind::counter,
  "seconds",
  {},
  "User and system CPU time spent."};

inline constexpr metric_info process_resident_memory_bytes{
  "process_resident_memory_bytes",
  metric_kind::gauge,
  "bytes",
  {},
  "Resident memory."};

inline constexpr metric_info process_peak_memory_bytes{
  "process_peak_resident_memory_bytes",
  metric_kind::gauge,
  "bytes",
  {},
  "Highest resident memory so far."};

inline constexpr metric_info process_open_fds{"process_open_fds",
                                              metric_kind::gauge,
                                              "descriptors",
                                              {},
                                              "Open file descriptors."};

inline constexpr metric_info process_max_fds{
  "process_max_fds",
  metric_kind::gauge,
  "descriptors",
  {},
  "Most file descriptors that may be open."};

inline constexpr metric_info process_start_time_seconds{
  "process_start_time_seconds",
  metric_kind::gauge,
  "seconds",
  {},
  "Start of the process in seconds since 1970."};

/// For documentation and tests.
inline constexpr std::array all{&events_read,
                                &lag_messages,
                                &lag_seconds,
                                &inflight_bytes,
                                &lanes_detached,
                                &lanes_halted,
                                &lanes_parked,
                                &partitions_halted,
                                &batches_sent,
                                &batches_nacked,
                                &batches_dropped,
                                &events_filtered,
                                &crossed_quotes,
                                &floor_acts,
                                &rows_written,
                                &rows_not_found,
                                &dead_letters,
                                &waiting_events,
                                &waiting_bytes,
                                &waiting_oldest_seconds,
                                &dead_letters_kept_bytes,
                                &dead_letters_oldest_seconds,
                                &dead_letters_pruned,
                                &flushes,
                                &flush_seconds,
                                &commit_latency_seconds,
                                &takeovers,
                                &in_doubt,
                                &sessions,
                                &database_sessions,
                                &tenants_parked,
                                &tenants_backing_off,
                                &reconnects,
                                &coordinator_active,
                                &partitions_ahead,
                                &partitions_unarchived,
                                &peers_connected,
                                &peer_batches_sent,
                                &peer_bytes_sent,
                                &build_info,
                                &process_cpu_seconds,
                                &process_open_fds,
                                &process_resident_memory_bytes,
                                &process_max_fds,
                                &process_peak_memory_bytes,
                                &process_start_time_seconds};

} // namespace metric_names

/// Upper bounds in seconds: 1 ms to 60 s, seven to a decade or more where
/// latencies usually are, so that p50 and p99 read off within about a quarter.
inline constexpr std::array latency_buckets_seconds{
  0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.007, 0.01,  0.015, 0.02,
  0.025, 0.03,   0.04,  0.05,  0.06,  0.08,  0.1,   0.125, 0.15,  0.2,
  0.25,  0.3,    0.4,   0.5,   0.7,   1.0,   1.5,   2.0,   3.0,   5.0,
  7.0,   10.0,   15.0,  20.0,  30.0,  45.0,  60.0};

} // namespace millrace
