// What a bad connection between two nodes changes: nothing in the result. Real
// LANE WRITERS, consumers around the real feed, and in the middle a peer that
// turns every message into bytes and back, loses, repeats, delays and
// reorders.

#include "actors/cluster/log.hpp"
#include "actors/lane/lane_writer.hpp"
#include "actors/source/partition_feed.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t lane_count = 3;
constexpr int64_t event_count = 120;
constexpr map_version version{1};
constexpr shape rows_shape{7};

std::vector<lane_id> lane_ids() {
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

pool_actor::behavior_type keeper(std::shared_ptr<database> pg) {
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

router_actor::behavior_type forgetful_router() {
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
  int64_t lost = 0;

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

/// The connection: batches one way, answers the other way.
struct bad_peer_state {
  caf::event_based_actor* self;
  std::shared_ptr<weather> sky;
  std::vector<caf::actor> writers;
  caf::actor home;
  std::vector<caf::message> held;

  template <class T>
  T by_wire(const T& x) {
    caf::byte_buffer bytes;
    caf::binary_serializer sink{self->system(), bytes};
    REQUIRE(sink.apply(x));
    caf::binary_deserializer source{self->system(), bytes};
    T result;
    REQUIRE(source.apply(result));
    return result;
  }

  void hand_on(const caf::message& x) {
    if (x.match_elements<lane_batch>()) {
      const auto& what = x.get_as<lane_batch>(0);
      auto lane = static_cast<std::size_t>(what.data->lane.number.value);
      self->send(writers[lane], what);
    } else {
      self->send(home, x.get_as<lane_answer>(0));
    }
  }

  void pass(caf::message x) {
    if (sky->chance(sky->loss)) {
      ++sky->lost;
      return;
    }
    if (sky->chance(sky->repeats))
      held.push_back(x);
    if (sky->chance(sky->delays))
      held.push_back(std::move(x));
    else
      hand_on(x);
  }

  void release() {
    for (auto n = sky->pick(4); n > 0 && !held.empty(); --n) {
      auto i = sky->pick(held.size());
      auto x = held[i];
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
      hand_on(x);
    }
  }
};

using bad_peer_ptr = std::shared_ptr<bad_peer_state>;

caf::behavior bad_peer(caf::event_based_actor* self, bad_peer_ptr state) {
  state->self = self;
  return {
    [state, self](const lane_batch& x) {
      auto copy = state->by_wire(x);
      // The answer comes back the same way.
      copy.reply_to = caf::actor_cast<caf::actor>(self);
      state->pass(caf::make_message(std::move(copy)));
    },
    [state](const lane_answer& x) {
      state->pass(caf::make_message(state->by_wire(x)));
    },
    [state](caf::tick_atom) { state->release(); },
  };
}

/// Two nodes with a bad connection, one run.
struct world : deterministic {
  std::shared_ptr<database> pg = std::make_shared<database>();
  std::shared_ptr<weather> sky = std::make_shared<weather>();
  bad_peer_ptr middle = std::make_shared<bad_peer_state>();
  consumer reader{pg, sky};
  pool_actor pool = sys.spawn(keeper, pg);
  router_actor router = sys.spawn(forgetful_router);
  caf::actor peer;
  caf::actor home;

  explicit world(uint64_t seed) {
    log::setup({.level = log::level::off});
    sky->random.seed(seed);
    middle->sky = sky;
    for (const auto& id : lane_ids())
      add_writer(id);
    peer = sys.spawn(bad_peer, middle);
    home = sys.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const lane_answer& x) { send(reader.answer(x, now())); }};
    });
    middle->home = home;
    drain();
  }

  ~world() {
    for (const auto& x : middle->writers)
      self->send_exit(x, caf::exit_reason::user_shutdown);
    self->send_exit(peer, caf::exit_reason::user_shutdown);
    self->send_exit(home, caf::exit_reason::user_shutdown);
    self->send_exit(pool, caf::exit_reason::user_shutdown);
    self->send_exit(router, caf::exit_reason::user_shutdown);
    drain();
    middle->writers.clear();
    middle->held.clear();
    middle->home = nullptr;
  }

  void add_writer(const lane_id& id) {
    lane_writer_config config;
    config.lane = id;
    config.delays = {.initial = 10ms, .max = 50ms, .jitter = 0};
    middle->writers.push_back(caf::actor_cast<caf::actor>(
      sys.spawn<lane_writer>(std::move(config), pool, router)));
  }

  partition_cursor::clock::time_point now() {
    return sys.clock().now();
  }

  void send(std::vector<fed_batch> batches) {
    for (auto& x : batches)
      self->send(peer, lane_batch{std::move(x.data), slot{0}, home});
  }

  void step() {
    send(reader.read(static_cast<int64_t>(sky->pick(6)), now()));
    send(reader.audit(now()));
    self->send(peer, caf::tick_atom_v);
    advance(std::chrono::milliseconds{20 + sky->pick(200)});
  }

  bool finished() const {
    std::size_t n = 0;
    for (const auto& x : pg->applied)
      n += x.size();
    return n >= static_cast<std::size_t>(event_count);
  }
};

std::vector<int64_t> wanted(std::size_t lane) {
  std::vector<int64_t> result;
  for (int64_t at = 0; at < event_count; ++at)
    if (consumer::lane_of(at) == lane)
      result.push_back(at);
  return result;
}

} // namespace

TEST_CASE("a peer that drops, delays, repeats and reorders messages changes "
          "nothing in the result") {
  int64_t lost = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    world aut{seed};
    aut.sky->loss = .15;
    aut.sky->repeats = .15;
    aut.sky->delays = .3;
    for (int i = 0; i < 60; ++i)
      aut.step();
    // A writer of the other node starts again, its queue is gone.
    auto victim = aut.sky->pick(lane_count);
    aut.self->send_exit(aut.middle->writers[victim], caf::exit_reason::kill);
    aut.add_writer(lane_ids()[victim]);
    std::swap(aut.middle->writers[victim], aut.middle->writers.back());
    aut.middle->writers.pop_back();
    aut.drain();
    for (int i = 0; i < 30; ++i)
      aut.step();
    aut.sky->loss = aut.sky->repeats = aut.sky->delays = 0;
    for (int i = 0; i < 400 && !aut.finished(); ++i)
      aut.step();
    for (std::size_t lane = 0; lane < lane_count; ++lane)
      CHECK(aut.pg->applied[lane] == wanted(lane));
    lost += aut.sky->lost;
  }
  // The weather was bad indeed.
  CHECK(lost > 500);
}
