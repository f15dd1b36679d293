#include "tests/lane/simulation.hpp"

#include "actors/lane/invariant.hpp"

#include <algorithm>

namespace millrace::test {

namespace {

/// Several times what the slowest run needs.
constexpr int finish_rounds = 150;

/// So long nothing ends by time: what could be written has to be.
constexpr int unexpired_rounds = 40;

/// Enough to find a few poisoned events among all.
constexpr int steps_per_round = 200;

} // namespace

simulation_counts& simulation_counts::operator+=(const simulation_counts& x) {
  rejoined += x.rejoined;
  switched += x.switched;
  reshaped += x.reshaped;
  failovers += x.failovers;
  parts += x.parts;
  dead_letters += x.dead_letters;
  nacks += x.nacks;
  dropped += x.dropped;
  sent += x.sent;
  rewinds += x.rewinds;
  before_orphans += x.before_orphans;
  put_aside += x.put_aside;
  waited += x.waited;
  released += x.released;
  replayed += x.replayed;
  ended += x.ended;
  beyond += x.beyond;
  adopted += x.adopted;
  return *this;
}

simulation::simulation(simulation_config config, choices& draws)
  : config_{config},
    draws_{draws},
    partitions_(config.partitions),
    db_{partitions_, {config.broken.around, config.too.around}},
    kafka_commits_(config.partitions) {
#ifdef MILLRACE_MUTATIONS
  broken_rule = config.broken.rule;
  broken_too = config.too.rule;
#endif
  make_world();
}

simulation::~simulation() {
#ifdef MILLRACE_MUTATIONS
  broken_rule = broken_too = mutation::none;
#endif
}

void simulation::make_world() {
  mixed_ = draws_.chance(25);
  // In some runs lanes have nothing more to write long before the end.
  auto busy = mixed_ && draws_.chance(50) ? draws_.pick(config_.events)
                                          : config_.events;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    auto& x = partitions_[p];
    // Two topics: a slot is not a partition's number.
    x.id.topic.bytes[0] = static_cast<uint8_t>(1 + p % 2);
    x.id.number.value = static_cast<int32_t>(p / 2);
    for (std::size_t i = 0; i < config_.events; ++i) {
      // Holes: transaction markers and compaction.
      constexpr int64_t steps[] = {1, 1, 1, 2, 4};
      x.end = x.end + steps[draws_.pick(5)];
      x.log.push_back(i < busy ? draw_event(draws_, x.end + -1, mixed_)
                               : sim_event{.at = x.end + -1});
    }
    x.end = x.end + static_cast<int64_t>(draws_.pick(3));
  }
  sim_habits habits;
  constexpr int keep_seconds[] = {8, 30};
  habits.keep = std::chrono::seconds{keep_seconds[draws_.pick(2)]};
  habits.missing_first = draws_.chance(50);
  habits.names_one = draws_.chance(30);
  habits.names_orphans = habits.names_one;
  db_.begin(habits, config_.backfill);
  first_change_ = draws_.pick(3);
  ends_with_change_ = draws_.chance(30);
  if (draws_.chance(30))
    last_failover_ = draws_.pick(5);
  auto late = draws_.pick(2);
  while (db_.slots() + late < partitions_.size())
    append_slot();
  db_.forget_history();
  for (std::size_t lane = 0; lane < db_.lanes(); ++lane)
    add_writer(lane);
}

// -- chaos --------------------------------------------------------------------

void simulation::chaos() {
  for (step_ = 0; step_ < config_.steps && !db_.failure(); ++step_) {
    draws_.begin_step(step_);
    now_ += std::chrono::milliseconds{200};
    db_.set_time(now_);
    step();
  }
}

void simulation::step() {
  if (config_.backfill && draws_.chance(5)) {
    move_other();
    return;
  }
  // 0 is nothing; what is rare has small numbers.
  auto x = draws_.pick(1'000);
  if (x < 100) {
    change_world(x);
  } else if (x < 330) {
    auto who = draws_.pick(consumers_.size());
    read_some(who, 1 + draws_.pick(6));
  } else if (x < 380) {
    upkeep(draws_.pick(consumers_.size()));
  } else if (x < 570) {
    move_parcel();
  } else if (x < 710) {
    move_letter();
  } else {
    if (replayer_ && draws_.chance(10)) {
      replay_some();
      return;
    }
    auto who = draws_.pick(writers_.size());
    // A table that is locked for a while stops its lane's writer.
    if (writers_[who].lane == locked_lane_ && step_ < locked_until_)
      return;
    run_timers(who);
    if (!writers_[who].waiting) {
      auto f = draws_.pick(100);
      execute(who, f < 85   ? fate::done
                   : f < 93 ? fate::nothing_happened
                            : fate::outcome_unknown);
    }
    if (!draws_.chance(25))
      tell(who);
  }
}

void simulation::change_world(std::size_t x) {
  if (x < 1) {
    return;
  } else if (x < 15) {
    locked_lane_ = draws_.pick(db_.lanes());
    locked_until_ = step_ + draws_.pick(60);
  } else if (x < 32) {
    // The old one stays as a zombie.
    add_writer(draws_.pick(db_.lanes()));
  } else if (x < 50) {
    add_consumer(draws_.pick(db_.slots()));
  } else if (x < 56) {
    toggle_lane();
  } else if (x < 71) {
    fail_over(draws_.pick(5));
  } else if (x < 76) {
    auto who = draws_.pick(writers_.size());
    say("a writer of lane {} has a new connection", writers_[who].lane);
    reconnect(who);
  } else if (x < 79) {
    auto lane = draws_.pick(db_.lanes());
    auto commits = draws_.chance(50);
    for (std::size_t i = 0; i < db_.lanes() && !db_.is_locked(lane); ++i)
      lane = (lane + 1) % db_.lanes();
    if (db_.is_locked(lane))
      say("lane {}: the open transaction {}", lane,
          commits ? "commits" : "is rolled back");
    db_.settle(lane, commits);
  } else if (x < 84) {
    mend(draws_.pick(writers_.size()));
  } else if (x < 86) {
    append_slot();
  } else if (x < 90) {
    replay_some();
  } else if (x < 93) {
    if (db_.alter_shape()) {
      ++counts_.reshaped;
      say("the rows get shape {}", db_.shape().value);
      // A node that meets other columns plants its tree anew.
      for (std::size_t lane = 0; mixed_ && lane < db_.lanes(); ++lane)
        if (!draws_.chance(50))
          add_writer(lane);
    }
  } else if (x < 96) {
    plan_change();
  } else {
    try_switch();
  }
}

void simulation::move_parcel() {
  if (parcels_.empty())
    return;
  auto i = draws_.chance(30) ? draws_.pick(parcels_.size()) : 0;
  auto sent = parcels_[i];
  parcels_.erase(parcels_.begin() + static_cast<std::ptrdiff_t>(i));
  if (draws_.chance(12)) {
    say("lost on the way: lane {}'s [{},{}) of consumer {}", sent.lane,
        sent.data->range.from.value, sent.data->range.to.value, sent.consumer);
    return;
  }
  if (draws_.chance(10))
    parcels_.push_back(sent); // repeated
  auto to = last_writer(sent.lane);
  if (draws_.chance(30)) {
    std::vector<std::size_t> able;
    for (std::size_t w = 0; w < writers_.size(); ++w)
      if (writers_[w].lane == sent.lane)
        able.push_back(w);
    to = able[draws_.pick(able.size())];
  }
  deliver(sent, to);
}

void simulation::move_letter() {
  if (letters_.empty())
    return;
  auto i = draws_.chance(20) ? draws_.pick(letters_.size()) : 0;
  auto sent = letters_[i];
  letters_.erase(letters_.begin() + static_cast<std::ptrdiff_t>(i));
  if (draws_.chance(10))
    say("lost on the way: an answer of lane {}", sent.lane);
  else
    deliver(sent);
}

void simulation::append_slot() {
  if (db_.slots() == partitions_.size())
    return;
  say("partition {} is found", db_.slots());
  db_.append_slot();
  add_consumer(db_.slots() - 1);
}

void simulation::toggle_lane() {
  auto lane = draws_.pick(db_.lanes());
  db_.toggle_state(lane);
  say("lane {} is {}", lane, db_.is_active(lane) ? "resumed" : "halted");
  if (db_.is_active(lane))
    for (std::size_t i = 0; i < writers_.size(); ++i)
      if (writers_[i].lane == lane)
        mend(i);
}

/// What a halted writer does now and then, or when it is told to.
void simulation::mend(std::size_t who) {
  writers_[who].core->resume();
  run_timers(who);
  pump(who);
}

void simulation::fail_over(std::size_t commits) {
  db_.fail_over(commits);
  ++counts_.failovers;
  say("a failover forgets {} commits", commits);
  // Partitions that are forgotten are found again.
  for (auto& x : consumers_)
    if (x.partition >= db_.slots())
      x.alive = x.assigned = false;
  for (std::size_t i = 0; i < writers_.size(); ++i)
    if (!draws_.chance(30))
      reconnect(i);
}

// -- the end ------------------------------------------------------------------

/// No restarts: who is there last must finish by resync alone (I7).
void simulation::begin_finish() {
  draws_.end();
  if (last_failover_ > 0)
    fail_over(last_failover_);
  say("from here on nothing fails");
  if (db_.changing())
    db_.abort_change();
  while (db_.slots() < partitions_.size())
    append_slot();
  for (std::size_t p = 0; p < db_.slots(); ++p) {
    auto i = last_consumer(p);
    if (!consumers_[i].alive)
      add_consumer(p);
  }
  for (std::size_t lane = 0; lane < db_.lanes(); ++lane) {
    db_.settle(lane, true);
    if (!db_.is_active(lane))
      db_.toggle_state(lane);
    auto i = last_writer(lane);
    if (writers_[i].shape != db_.shape())
      i = add_writer(lane);
    writers_[i].core->resume();
    // No failover goes unnoticed for ever: its connection broke, too.
    reconnect(i);
  }
  // Where no floor moves, no barrier is reached.
  if (ends_with_change_ && !broken(mutation::no_floor))
    plan_change();
}

/// Until nobody has anything to say; writers do what they have to in any case.
void simulation::exhaust_messages() {
  do {
    for (const auto& x : std::exchange(parcels_, {}))
      deliver(x, last_writer(x.lane));
    for (std::size_t lane = 0; lane < db_.lanes(); ++lane) {
      auto i = last_writer(lane);
      for (int n = 0; n < steps_per_round; ++n) {
        if (!writers_[i].waiting)
          execute(i, fate::done);
        tell(i);
        if (writers_[i].step == lane_step::none)
          break;
      }
    }
    for (const auto& x : std::exchange(letters_, {}))
      deliver(x);
  } while ((!parcels_.empty() || !letters_.empty()) && !db_.failure());
}

bool simulation::finish() {
  begin_finish();
  for (int round = 0; round < finish_rounds && !db_.failure(); ++round) {
    now_ += std::chrono::seconds{2};
    db_.set_time(now_);
    db_.let_expire(round >= unexpired_rounds);
    for (std::size_t lane = 0; lane < db_.lanes(); ++lane)
      mend(last_writer(lane));
    for (std::size_t p = 0; p < db_.slots(); ++p)
      read_some(last_consumer(p), 6);
    exhaust_messages();
    for (std::size_t p = 0; p < db_.slots(); ++p)
      upkeep(last_consumer(p));
    try_switch();
    come_to_end();
    watch_waiting();
    auto done = !db_.changing();
    for (std::size_t p = 0; p < db_.slots(); ++p)
      done = done && is_done(p);
    if (done && db_.is_complete())
      return true;
  }
  return false;
}

/// For the trace of a run that is stuck.
void simulation::say_where_all_is() {
  for (std::size_t p = 0; p < db_.slots(); ++p) {
    const auto& cursor = consumers_[last_consumer(p)].feed->cursor();
    say("partition {}: floor {}, end {}, consumer at {}{}{}", p,
        db_.view(p).floor.value, partitions_[p].end.value,
        cursor.position().value, cursor.barrier() ? ", at a barrier" : "",
        cursor.holds_floor() ? "" : ", frozen");
    for (std::size_t i = 0; i < db_.lanes(); ++i)
      say("  lane {} at {}{}", i, db_.next(i, p).value,
          db_.is_active(i) ? "" : ", halted");
  }
}

std::optional<std::string> simulation::run() {
  try {
    chaos();
    if (!db_.failure() && !finish()) {
      say_where_all_is();
      db_.fail("STUCK: not all is written, or somebody waits");
    }
  } catch (const invariant_broken& e) {
    db_.fail(std::string{"INVARIANT: "} + e.what());
  }
  counts_.adopted = db_.adopted();
  return db_.failure();
}

} // namespace millrace::test
