// What a bad connection between two nodes changes: nothing in the result. Real
// LANE WRITERS, consumers around the real feed, and in the middle a peer that
// turns every message into bytes and back, loses, repeats, delays and
// reorders, and lets many a batch travel in frames.

#include "actors/cluster/log.hpp"
#include "messages/packing.hpp"
#include "tests/cluster/bad_peer_world.hpp"
#include "tests/support/deterministic.hpp"
#include "tests/support/message_types.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <utility>

using namespace millrace;
using namespace millrace::test;

namespace {

/// The connection: batches one way, answers the other way.
struct bad_peer_state {
  caf::event_based_actor* self;
  std::shared_ptr<weather> sky;
  std::vector<caf::actor> writers;
  caf::actor home;
  std::vector<std::function<void()>> held;

  template <class T>
  T by_wire(const T& x) {
    auto result = unpack<T>(self->system(), pack(self->system(), x));
    REQUIRE(result);
    return *result;
  }

  /// A message for a writer.
  template <class T>
  void to_writer(const lane_id& lane, T x) {
    auto copy = by_wire(x);
    // The answer comes back the same way.
    copy.reply_to = caf::actor_cast<caf::actor>(self);
    auto i = static_cast<std::size_t>(lane.number.value);
    pass([this, i, copy = std::move(copy)] { self->send(writers[i], copy); });
  }

  void take(const lane_batch& x) {
    if (!sky->chance(sky->large)) {
      to_writer(x.data->lane, x);
      return;
    }
    ++sky->framed;
    constexpr std::size_t frame_bytes = 60;
    framed whole{pack(self->system(), *x.data), frame_bytes};
    for (uint64_t from = 0; from < whole.total(); from += frame_bytes)
      to_writer(x.data->lane, batch_frame{whole.cut(from), x.at, x.reply_to});
  }

  void pass(std::function<void()> x) {
    if (sky->chance(sky->loss)) {
      ++sky->lost;
      return;
    }
    if (sky->chance(sky->repeats))
      held.push_back(x);
    if (sky->chance(sky->delays))
      held.push_back(std::move(x));
    else
      x();
  }

  void release() {
    for (auto n = sky->pick(4); n > 0 && !held.empty(); --n) {
      auto i = sky->pick(held.size());
      auto x = held[i];
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
      x();
    }
  }
};

using bad_peer_ptr = std::shared_ptr<bad_peer_state>;

caf::behavior bad_peer(caf::event_based_actor* self, bad_peer_ptr state) {
  state->self = self;
  return {
    [state](const lane_batch& x) { state->take(x); },
    [state](const lane_answer& x) {
      state->pass([state = state.get(), copy = state->by_wire(x)] {
        state->self->send(state->home, copy);
      });
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
  int64_t framed = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    world aut{seed};
    aut.sky->loss = .15;
    aut.sky->repeats = .15;
    aut.sky->delays = .3;
    aut.sky->large = .2;
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
    framed += aut.sky->framed;
  }
  // The weather was bad indeed.
  CHECK(lost > 500);
  CHECK(framed > 500);
}
