#pragma once

// What stands at the two ends of a bad connection: a database in memory, a POOL
// and a ROUTER for real LANE WRITERS, a PARTITION CONSUMER around the real
// feed.

#include "actors/lane/lane_writer.hpp"
#include "actors/source/partition_feed.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

inline constexpr std::size_t lane_count = 3;
inline constexpr int64_t event_count = 120;
inline constexpr map_version version{1};
inline constexpr shape rows_shape{7};

inline std::vector<lane_id> lane_ids() {
  std::vector<lane_id> result;
  for (std::size_t i = 0; i < lane_count; ++i)
    result.push_back({"p", "t", shard{static_cast<int32_t>(i)}});
  return result;
}

/// One partition, its lanes, and what was written: all that is durable.
struct database {
  std::vector<lane_row> rows;
  std::vector<std::vector<int64_t>> applied{lane_count};
  offset floor;

  database() {
    for (const auto& id : lane_ids()) {
      lane_row row;
      row.lane = id;
      row.map_version = version;
      row.shape = rows_shape;
      row.next_off.resize(1);
      row.floors.resize(1);
      rows.push_back(row);
    }
  }

  lane_row& row_of(const lane_id& x) {
    return rows[static_cast<std::size_t>(x.number.value)];
  }

  partition_view view() const {
    partition_view result;
    result.at = slot{0};
    result.floor = floor;
    result.map_version = version;
    for (const auto& row : rows)
      result.lanes.push_back({row.lane, row.next_off[0], row.state});
    return result;
  }

  bool claim(const flush& x) {
    auto& row = row_of(x.claim.lane);
    auto holds = row.epoch == x.claim.epoch && row.owner == x.claim.owner
                 && row.next_seq == x.claim.next_seq;
    for (const auto& r : x.claim.ranges)
      holds = holds && r.old_next == row.next_off[0]
              && r.range.from <= row.next_off[0] && r.range.to > row.next_off[0]
              && (!r.first_event || *r.first_event >= row.next_off[0]);
    if (!holds)
      return false;
    row.next_seq.value += x.claim.seqs;
    for (const auto& r : x.claim.ranges)
      row.next_off[0] = r.range.to;
    auto& to = applied[static_cast<std::size_t>(x.claim.lane.number.value)];
    for (const auto& part : x.sources)
      for (auto at : part.data->blocks[0].offsets)
        if (offset{at} >= part.trim_below)
          to.push_back(at);
    return true;
  }
};

inline pool_actor::behavior_type keeper(std::shared_ptr<database> pg) {
  return {
    [pg](const flush& x) {
      flush_result result;
      result.verdict = pg->claim(x) ? flush_verdict::committed
                                    : flush_verdict::refused;
      return result;
    },
    [pg](const takeover_request& x) {
      auto& row = pg->row_of(x.lane);
      row.owner = x.owner;
      ++row.epoch.value;
      return row;
    },
    [pg](const halt_request& x) { return pg->row_of(x.lane); },
    [pg](const retention_halt_request& x) { return pg->row_of(x.lane); },
    [pg](const load_request& x) { return pg->row_of(x.lane); },
    [](const boot_request&) { return boot_result{}; },
    [pg](const view_request&) { return pg->view(); },
    [](const floor_request&) { return floor_answer{}; },
    [](const waiting_request&) { return waiting_answer{}; },
    [](const wake_request&) {},
    [](pool_nudge) {},
    [](const pool_subscribe&) {},
    [](pool_inquiry) { return pool_status{}; },
    [](const session_notice&) {},
    [](inspect_atom) { return actor_report{}; },
  };
}

inline router_actor::behavior_type forgetful_router() {
  return {
    [](const lane_route&) {},
    [](caf::subscribe_atom, const caf::actor&) {},
    [](inspect_atom) { return actor_report{}; },
  };
}

/// What the connection does to its messages.
struct weather {
  std::mt19937_64 random;
  double loss = 0;
  double repeats = 0;
  double delays = 0;

  /// Of batches, those that take several frames.
  double large = 0;
  int64_t lost = 0;
  int64_t framed = 0;

  bool chance(double p) {
    return static_cast<double>(random() >> 11) * 0x1.0p-53 < p;
  }

  std::size_t pick(std::size_t n) {
    return random() % n;
  }
};

/// A PARTITION CONSUMER without Kafka: record i belongs to lane i mod 3,
/// except that each lane pauses now and then.
class consumer {
public:
  consumer(std::shared_ptr<database> pg, std::shared_ptr<weather> sky)
    : pg_{std::move(pg)},
      sky_{std::move(sky)},
      feed_{config()} {
    feed_.assign(pg_->view(), {offset{0}, offset{event_count}});
  }

  static std::size_t lane_of(int64_t at) {
    return static_cast<std::size_t>(at * at / 7) % lane_count;
  }

  std::vector<fed_batch> read(int64_t records,
                              partition_cursor::clock::time_point now) {
    feed_.tend(true, true, now);
    auto result = read_on(reading_kind::main, records, offset{event_count},
                          now);
    // Lanes that were rewound alone come by the second reading.
    if (feed_.cursor().is_running())
      std::ranges::move(read_on(reading_kind::catch_up, records,
                                feed_.cursor().position(), now),
                        std::back_inserter(result));
    feed_.tend(true, true, now);
    return result;
  }

  std::vector<fed_batch> read_on(reading_kind which, int64_t records,
                                 offset end,
                                 partition_cursor::clock::time_point now) {
    const auto& cursor = feed_.cursor();
    while (records-- > 0 && cursor.position(which) < end) {
      auto at = cursor.position(which);
      feed_.begin(at, which);
      auto& x = feed_.open_lane(lane_of(at.value));
      x.blocks.resize(1);
      x.blocks[0].bytes.push_back(std::byte{1});
      x.blocks[0].row_ends.push_back(
        static_cast<uint32_t>(x.blocks[0].bytes.size()));
      x.blocks[0].offsets.push_back(at.value);
      ++x.events;
      feed_.end();
    }
    return feed_.cut_all(now, which);
  }

  std::vector<fed_batch> answer(const lane_answer& x,
                                partition_cursor::clock::time_point now) {
    std::vector<fed_batch> result;
    auto lane = feed_.index_of(x.lane);
    for (const auto& reply : x.replies)
      std::ranges::move(feed_.answer(*lane, reply, now).batches,
                        std::back_inserter(result));
    return result;
  }

  std::vector<fed_batch> audit(partition_cursor::clock::time_point now) {
    if (!feed_.cursor().needs_resync(now))
      return {};
    return feed_.audit(pg_->view(), now, feed_.cursor().acks()).batches;
  }

private:
  static feed_config config() {
    feed_config result;
    result.pipeline = "p";
    result.topic = "ticks";
    result.lanes = lane_count;
    result.lane_ids = lane_ids();
    result.map_version = version;
    result.shape = rows_shape;
    result.cursor.resync = 2s;
    return result;
  }

  std::shared_ptr<database> pg_;
  std::shared_ptr<weather> sky_;
  partition_feed feed_;
};

} // namespace millrace::test
