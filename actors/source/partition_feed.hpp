#pragma once

#include "actors/decode/decoder.hpp"
#include "actors/lane/credit_pool.hpp"
#include "actors/lane/partition_cursor.hpp"
#include "messages/batch.hpp"
#include "messages/lane_reply.hpp"
#include "messages/partition_view.hpp"

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What a partition's batches carry, and when they are cut.
struct feed_config {
  std::string pipeline;

  /// What logs and metrics call the pipeline, where each database has a reading
  /// of its own; empty: by its name.
  std::string reading;

  const std::string& label() const noexcept {
    return reading.empty() ? pipeline : reading;
  }

  std::string topic;
  partition_id source;

  /// Lanes per tenant.
  int32_t lanes = 1;

  /// All lanes of the pipeline in this database, as every view of the
  /// partition lists them. `_unrouted` is among them, unless `share` leaves
  /// its records to others.
  std::vector<lane_id> lane_ids;

  /// Unset: all records are for these lanes.
  std::optional<record_share> share;

  /// Credit that a tenant's lanes share with other partitions; the others have
  /// no more limits than their own.
  std::map<std::string, std::shared_ptr<credit_pool>> credit;

  millrace::map_version map_version;
  millrace::shape shape;

  /// Of the tenants whose rows have another one.
  std::map<std::string, millrace::shape> other_shapes;
  std::size_t batch_bytes = std::size_t{1} << 20;
  std::size_t batch_rows = 10'000;
  cursor_limits cursor;
};

/// A batch ready for its lane.
struct fed_batch {
  std::size_t lane = 0;
  batch_ptr data;
};

/// The tenant part of the lane for records that have no tenant, or none that
/// is known.
inline constexpr std::string_view unrouted_tenant = "_unrouted";

/// Collects a partition's events into one open batch per lane: the pure part
/// of a PARTITION CONSUMER. The cursor decides what is read, wanted and sent
/// again; this keeps the batches in step with it, for both readings.
///
/// A lane without credit goes on collecting until its open batch is full; then
/// it is *blocked*, and its reading waits for it or goes on without it. So a
/// lane holds less than its credit and two batches, and a detached one
/// nothing that is not on its way.
///
/// Use per record: `begin`, then decode into `*this`, then `end`. Invariant,
/// asserted: an open batch holds exactly the lane's wanted events between its
/// cut and the position of its reading.
class partition_feed final : public batch_sink {
public:
  using clock = partition_cursor::clock;

  explicit partition_feed(feed_config config);

  ~partition_feed() override;

  // -- reading ----------------------------------------------------------------

  /// Starts anew from durable truth; open batches are dropped.
  void assign(const partition_view& view, offset_range log);

  /// Judges the next record of a reading. Only after `expected` may it be
  /// decoded.
  record_verdict begin(offset at, reading_kind which = reading_kind::main);

  batch* open(std::string_view tenant, uint64_t route_hash) override;

  batch& unrouted() override;

  const record_share* share() const override {
    return config_.share ? &*config_.share : nullptr;
  }

  /// The same by the lane's index, for callers that routed themselves.
  batch& open_lane(std::size_t lane);

  /// The record of the last `begin` is in its batch.
  void end();

  /// Nothing is in the log below `to`: the end of the partition was seen
  /// there, or a hole was verified.
  void skip_to(offset to, reading_kind which = reading_kind::main);

  // -- lanes that hold others up (rule 7) -------------------------------------

  /// Whether the reading has to wait: one of its lanes is blocked, or the
  /// catch-up is about to meet the main reading.
  bool is_blocked(reading_kind which, clock::time_point now) const;

  /// To be called every few hundred milliseconds: detaches lanes that hold
  /// the partition, see `hold_watch`, and brings shared credit up to date.
  /// Lanes may have some afterwards that had none before.
  void watch(clock::time_point now);

  /// Leaves a lane behind at its cut.
  void detach(std::size_t lane);

  /// What the catch-up reading has to do next.
  struct catch_up_plan {
    /// Its run is over: drop its queue and holes.
    bool stop = false;

    /// A run began: read from `cursor().position(reading_kind::catch_up)`.
    bool start = false;
  };

  /// To be called whenever a position, a credit or a lane's mode has moved.
  /// `verified`: no hole of the catch-up is open. `may_start`: a reader can be
  /// had.
  catch_up_plan tend(bool verified, bool may_start, clock::time_point now);

  /// See `partition_cursor::take_changes`.
  std::vector<lane_change> take_changes() {
    return cursor_.take_changes();
  }

  /// The catch-up cannot be read on; its lanes wait.
  void stop_catch_up();

  // -- cutting ----------------------------------------------------------------

  /// Some open batch of the reading has reached its limit.
  bool any_full(reading_kind which = reading_kind::main) const noexcept {
    return full_[which == reading_kind::main ? 0 : 1];
  }

  /// Cuts, of the lanes of one reading that have credit, what has reached its
  /// limit, what belongs to lanes with nothing on its way, or all that holds
  /// events.
  std::vector<fed_batch> cut_full(clock::time_point now,
                                  reading_kind which = reading_kind::main);
  std::vector<fed_batch> cut_idle(clock::time_point now,
                                  reading_kind which = reading_kind::main);
  std::vector<fed_batch> cut_all(clock::time_point now,
                                 reading_kind which = reading_kind::main);

  /// Batches without events for idle lanes, see
  /// `partition_cursor::idle_lanes_behind`.
  std::vector<fed_batch>
  cut_behind(clock::time_point now,
             const partition_cursor::lane_test& has_writer);

  bool has_open_events() const noexcept;

  // -- answers ----------------------------------------------------------------

  /// What answers led to.
  struct consequence {
    /// Read again from `cursor().position()`.
    bool reread = false;
    /// To be sent first: what was open for the other lanes.
    std::vector<fed_batch> batches;
  };

  consequence answer(std::size_t lane, const lane_reply& x,
                     clock::time_point now);

  /// See `partition_cursor::audit`.
  consequence audit(const partition_view& view, clock::time_point now,
                    std::span<const offset> acks_then = {});

  /// The lane's writer is a new one: what the old one had may be lost.
  void writer_changed(std::size_t lane);

  partition_cursor& cursor() noexcept {
    return cursor_;
  }

  const partition_cursor& cursor() const noexcept {
    return cursor_;
  }

  const feed_config& config() const noexcept {
    return config_;
  }

  /// The lane's index, or nothing.
  std::optional<std::size_t> index_of(const lane_id& x) const;

  /// Everything below is durable, as far as this consumer was told: a hint
  /// for monitors.
  offset durable_hint() const;

  /// Bytes in open batches.
  std::size_t open_bytes() const noexcept;

private:
  struct tenant_lanes {
    std::string name;
    /// Index per shard.
    std::vector<std::size_t> lanes;
  };

  std::unique_ptr<batch> make_batch(std::size_t lane);
  bool is_full(const batch& x) const;
  bool is_blocked(std::size_t lane) const;
  bool has_credit(std::size_t lane) const noexcept;
  void settle_credit(clock::time_point now);

  template <class Predicate>
  std::vector<fed_batch>
  cut_if(reading_kind which, clock::time_point now, Predicate pred);
  fed_batch cut(std::size_t lane, clock::time_point now);
  void drop(std::size_t lane);
  void drop_void();
  void shed_blocked();
  void take_open_back();

  feed_config config_;
  partition_cursor cursor_;
  std::map<lane_id, std::size_t> index_;
  std::vector<tenant_lanes> tenants_;
  std::size_t unrouted_ = 0;
  std::vector<std::unique_ptr<batch>> open_;

  /// Takes events that their lane has already.
  batch skipped_;
  offset current_;
  reading_kind current_reading_ = reading_kind::main;

  /// Where the current record is collected; null where it is skipped.
  batch* current_batch_ = nullptr;
  std::array<bool, 2> full_{};
  hold_watch holds_;

  /// By lane: what it holds of its tenant's credit. In step with the cursor
  /// after each answer and each look; at most more than is on its way.
  std::vector<credit_share> shares_;
  std::vector<lane_load> loads_;
};

} // namespace millrace
