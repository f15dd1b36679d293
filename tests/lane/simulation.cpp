#include "tests/lane/simulation.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::test {

namespace {

constexpr map_version version{1};
constexpr shape rows_shape{7};

uuid random_uuid(std::mt19937_64& random) {
  uuid result;
  for (auto& x : result.bytes)
    x = static_cast<uint8_t>(random());
  return result;
}

} // namespace

simulation::simulation(simulation_config config)
  : config_{config},
    random_{config.seed} {
  log_.resize(config_.partitions);
  end_.resize(config_.partitions);
  for (std::size_t i = 0; i < config_.lanes; ++i)
    ids_.push_back({"p", "t", shard{static_cast<int32_t>(i)}});
  for (std::size_t p = 0; p < config_.partitions; ++p) {
    sources_.push_back(
      {random_uuid(random_), partition{static_cast<int32_t>(p)}});
    for (std::size_t i = 0; i < config_.events; ++i) {
      // Gaps: transaction markers and compaction.
      constexpr int64_t gaps[] = {1, 1, 1, 2, 4};
      end_[p] = end_[p] + gaps[pick(5)];
      auto lane = pick(config_.lanes + 1);
      auto& x = log_[p].emplace_back(event{offset{end_[p].value - 1}, {}});
      if (lane < config_.lanes)
        x.lane = lane;
      x.poison = chance(.1);
    }
    pg_.floors.push_back({offset{0}, random_uuid(random_)});
  }
  for (const auto& id : ids_) {
    auto& x = pg_.lanes.emplace_back();
    x.row.lane = id;
    x.row.epoch = epoch{1};
    x.row.map_version = version;
    x.row.shape = rows_shape;
    x.row.next_off.resize(config_.partitions);
    x.row.floors.resize(config_.partitions);
  }
  history_.push_back(pg_);
}

simulation::~simulation() = default;

std::size_t simulation::pick(std::size_t n) {
  return static_cast<std::size_t>(random_() % n);
}

bool simulation::chance(double p) {
  return static_cast<double>(random_() >> 11) * 0x1.0p-53 < p;
}

// -- the database -------------------------------------------------------------

void simulation::commit() {
  history_.push_back(pg_);
}

lane_row simulation::read(std::size_t lane) const {
  auto result = pg_.lanes[lane].row;
  for (std::size_t p = 0; p < config_.partitions; ++p)
    result.floors[p] = pg_.floors[p].floor;
  return result;
}

partition_view simulation::view(std::size_t p) const {
  partition_view result;
  result.at = slot{static_cast<int32_t>(p)};
  result.floor = pg_.floors[p].floor;
  result.token = pg_.floors[p].token;
  result.map_version = version;
  for (std::size_t i = 0; i < config_.lanes; ++i)
    result.lanes.push_back(
      {ids_[i], read(i).effective(result.at), pg_.lanes[i].row.state});
  return result;
}

bool simulation::claim_holds(const claim& x) const {
  auto row = read(static_cast<std::size_t>(x.lane.number.value));
  if (config_.broken == sabotage::no_claim)
    return true;
  auto holds = row.epoch == x.epoch && row.owner == x.owner
               && row.state == lane_state::active
               && row.map_version == x.map_version && row.shape == x.shape;
  if (config_.broken == sabotage::epoch_only)
    return holds;
  holds = holds && row.next_seq == x.next_seq;
  for (const auto& r : x.ranges) {
    auto effective = row.effective(r.at);
    holds = holds
            && row.next_off[static_cast<std::size_t>(r.at.value)] == r.old_next
            && r.range.from <= effective && r.range.to > effective
            && (!r.first_event || *r.first_event >= effective);
  }
  return holds;
}

bool simulation::apply(const flush& x) {
  if (!claim_holds(x.claim))
    return false;
  auto& lane = pg_.lanes[static_cast<std::size_t>(x.claim.lane.number.value)];
  lane.row.next_seq.value += x.claim.seqs;
  for (const auto& r : x.claim.ranges)
    lane.row.next_off[static_cast<std::size_t>(r.at.value)] = r.range.to;
  for (const auto& part : x.sources) {
    auto p = static_cast<std::size_t>(part.data->source.number.value);
    for (auto at : part.data->blocks[0].offsets)
      if (part.keeps(offset{at}) && !is_refused(part, offset{at}))
        lane.applied.push_back({p, offset{at}});
    for (const auto& r : part.refused)
      lane.dead.push_back({p, r.at});
  }
  commit();
  return true;
}

bool simulation::is_poison(std::size_t p, offset at) const {
  return std::ranges::any_of(log_[p], [at](const event& e) {
    return e.at == at && e.poison;
  });
}

bool simulation::is_refused(const flush_source& x, offset at) const {
  return std::ranges::contains(x.refused, at, &reject::at);
}

bool simulation::holds_poison(const flush& x) const {
  for (const auto& part : x.sources)
    for (auto at : part.data->blocks[0].offsets)
      if (part.keeps(offset{at}) && !is_refused(part, offset{at})
          && is_poison(static_cast<std::size_t>(part.data->source.number.value),
                       offset{at}))
        return true;
  return false;
}

floor_answer simulation::act(std::size_t p, const floor_act& x) {
  auto& row = pg_.floors[p];
  auto at = slot{static_cast<int32_t>(p)};
  auto guarded = row.floor == x.floor && row.token == x.token;
  auto to = x.to;
  if (guarded && x.full) {
    to = read(0).effective(at);
    for (std::size_t i = 1; i < config_.lanes; ++i)
      to = std::min(to, read(i).effective(at));
    guarded = to >= row.floor;
  } else if (guarded && config_.broken != sabotage::floor_unguarded) {
    for (const auto& t : x.touched) {
      const auto& lane = pg_.lanes[static_cast<std::size_t>(t.id.number.value)];
      guarded = guarded && lane.row.next_off[p] >= t.end;
    }
    guarded = guarded && to > row.floor;
  }
  if (guarded) {
    row.floor = std::max(row.floor, to);
    row.token = random_uuid(random_);
    commit();
  }
  return {guarded, row.floor, row.token, version, false};
}

// -- actors -------------------------------------------------------------------

void simulation::add_writer(std::size_t lane) {
  auto& x = writers_.emplace_back();
  x.lane = lane;
  x.core = std::make_unique<lane_core>(ids_[lane], lane_limits{});
}

void simulation::add_consumer(std::size_t p) {
  auto& x = consumers_.emplace_back();
  x.partition = p;
  feed_config config;
  config.source = sources_[p];
  config.lanes = static_cast<int32_t>(config_.lanes);
  config.lane_ids = ids_;
  config.map_version = version;
  config.shape = rows_shape;
  // Small ones, so that lanes run out of credit.
  config.batch_rows = 1 + pick(4);
  config.cursor.credit_bytes = pick(2) == 0 ? 500 : 4 << 20;
  config.cursor.near_offsets = static_cast<int64_t>(pick(8));
  x.feed = std::make_unique<partition_feed>(std::move(config));
}

void simulation::assign(consumer& x) {
  auto seen = view(x.partition);
  x.feed->assign(seen, {offset{0}, end_[x.partition]});
  // The full act comes before the first batch (rule 4b); without an answer
  // the assignment starts over.
  if (auto act_now = x.feed->cursor().propose()) {
    auto answer = act(x.partition, *act_now);
    x.assigned = !chance(.1);
    if (x.assigned)
      x.feed->cursor().floor_answer(*act_now, answer);
  }
}

void simulation::read_some(std::size_t who, std::size_t limit) {
  auto& x = consumers_[who];
  if (!x.assigned || x.feed->cursor().needs_assign()) {
    assign(x);
    return;
  }
  // Whatever is decided about it: any lane may be left behind at any time.
  if (auto lane = pick(config_.lanes);
      chance(.05) && x.feed->cursor().mode(lane) == lane_mode::attached)
    x.feed->detach(lane);
  tend(who);
  read(who, reading_kind::main, limit);
  read(who, reading_kind::catch_up, limit);
  tend(who);
}

void simulation::read(std::size_t who, reading_kind which, std::size_t limit) {
  auto& x = consumers_[who];
  auto& feed = *x.feed;
  if (which == reading_kind::catch_up && !feed.cursor().is_running())
    return;
  if (which == reading_kind::catch_up
      && config_.broken == sabotage::blind_catch_up && chance(.2)) {
    feed.skip_to(feed.cursor().position(), which);
    return;
  }
  std::size_t done = 0;
  auto at_end = true;
  for (const auto& e : log_[x.partition]) {
    if (e.at < feed.cursor().position(which))
      continue;
    if (done++ == limit || feed.is_blocked(which, now_)) {
      at_end = false;
      break;
    }
    auto verdict = feed.begin(e.at, which);
    if (verdict == record_verdict::beyond)
      break;
    if (verdict == record_verdict::hole) {
      feed.skip_to(e.at, which);
      feed.begin(e.at, which);
    }
    if (e.lane) {
      auto& b = feed.open_lane(*e.lane);
      b.blocks.resize(1);
      b.blocks[0].bytes.push_back(std::byte{0});
      b.blocks[0].row_ends.push_back(
        static_cast<uint32_t>(b.blocks[0].bytes.size()));
      b.blocks[0].offsets.push_back(e.at.value);
      ++b.events;
    }
    feed.end();
    send(who, feed.cut_full(now_, which));
  }
  auto end = which == reading_kind::main ? end_[x.partition]
                                         : feed.cursor().position();
  if (at_end && feed.cursor().position(which) < end)
    feed.skip_to(end, which);
  if (chance(.8))
    send(who, feed.cut_all(now_, which));
}

void simulation::tend(std::size_t who) {
  auto& feed = *consumers_[who].feed;
  feed.tend(true, chance(.9), now_);
  for (const auto& x : feed.take_changes())
    if (x.from == lane_mode::catching_up && x.to == lane_mode::attached)
      ++rejoined_;
}

void simulation::send(std::size_t who, std::vector<fed_batch> batches) {
  for (auto& x : batches)
    parcels_.push_back({x.lane, who, std::move(x.data)});
}

void simulation::follow(std::size_t who, partition_feed::consequence x) {
  // Reading again needs no act here: the log is read by position.
  send(who, std::move(x.batches));
}

void simulation::keep_floor(std::size_t who) {
  auto& x = consumers_[who];
  if (!x.assigned || x.feed->cursor().needs_assign())
    return;
  if (auto proposal = x.feed->cursor().propose()) {
    auto answer = act(x.partition, *proposal);
    if (chance(.9))
      x.feed->cursor().floor_answer(*proposal, answer);
  }
  audit(who);
}

void simulation::audit(std::size_t who) {
  auto& x = consumers_[who];
  if (x.assigned && config_.broken != sabotage::no_resync)
    follow(who, x.feed->audit(view(x.partition), now_));
}

void simulation::deliver(const parcel& x, std::size_t to) {
  auto& w = writers_[to];
  // Remember who asked: the sender travels with the batch.
  auto p = x.data->source.number;
  w.core->receive(x.data, slot{p.value},
                  origin{static_cast<uint32_t>(x.consumer)});
  pump(to);
}

void simulation::deliver(const letter& x) {
  auto& c = consumers_[x.consumer];
  if (c.assigned)
    follow(x.consumer, c.feed->answer(x.lane, x.reply, now_));
}

void simulation::pump(std::size_t who) {
  auto& w = writers_[who];
  for (const auto& x : w.core->take_replies())
    letters_.push_back({w.lane, x.to.value, x.reply});
  if (w.step == lane_step::none)
    w.step = w.core->next_step();
}

void simulation::advance(std::size_t who, fate f) {
  auto& w = writers_[who];
  auto& core = *w.core;
  auto step = std::exchange(w.step, lane_step::none);
  auto& row = pg_.lanes[w.lane].row;
  switch (step) {
    case lane_step::none:
    case lane_step::read_waiting:
      break;
    case lane_step::take_over:
      if (row.state != lane_state::active) {
        core.halt(lane_halt::by_row, "halted");
      } else if (f == fate::nothing_happened) {
        core.step_failed();
      } else {
        row.owner = random_uuid(random_);
        ++row.epoch.value;
        commit();
        if (f == fate::done)
          core.took_over(read(w.lane));
        else
          core.step_failed();
      }
      break;
    case lane_step::load:
    case lane_step::resolve:
      if (f == fate::done)
        core.loaded(read(w.lane));
      else
        core.step_failed();
      break;
    case lane_step::fetch:
      if (f == fate::done)
        core.fetched({});
      else
        core.step_failed();
      break;
    case lane_step::flush:
      if (f == fate::nothing_happened) {
        if (chance(.5))
          core.lost();
        else
          core.retry();
      } else if (!claim_holds(core.flight().claim)) {
        core.refused();
      } else if (holds_poison(core.flight())) {
        core.data_refused({"22003", "too much", "too much"});
      } else if (!apply(core.flight())) {
        core.refused();
      } else if (f == fate::outcome_unknown) {
        core.lost();
      } else {
        core.committed();
      }
      break;
  }
  pump(who);
}

std::size_t simulation::last_writer(std::size_t lane) const {
  for (auto i = writers_.size(); i-- > 0;)
    if (writers_[i].lane == lane)
      return i;
  std::abort();
}

std::size_t simulation::last_consumer(std::size_t p) const {
  for (auto i = consumers_.size(); i-- > 0;)
    if (consumers_[i].partition == p)
      return i;
  std::abort();
}

// -- the run ------------------------------------------------------------------

void simulation::chaos() {
  for (std::size_t step = 0; step < config_.steps; ++step) {
    now_ += std::chrono::milliseconds{200};
    auto x = static_cast<double>(random_() >> 11) * 0x1.0p-53;
    if (x < .25) {
      read_some(pick(consumers_.size()), 1 + pick(6));
    } else if (x < .45 && !parcels_.empty()) {
      auto i = chance(.3) ? pick(parcels_.size()) : std::size_t{0};
      auto sent = parcels_[i];
      parcels_.erase(parcels_.begin() + static_cast<std::ptrdiff_t>(i));
      if (chance(.12))
        continue; // lost
      if (chance(.1))
        parcels_.push_back(sent); // repeated
      std::vector<std::size_t> able;
      for (std::size_t w = 0; w < writers_.size(); ++w)
        if (writers_[w].lane == sent.lane)
          able.push_back(w);
      deliver(sent, chance(.7) ? able.back() : able[pick(able.size())]);
    } else if (x < .60 && !letters_.empty()) {
      auto i = chance(.2) ? pick(letters_.size()) : std::size_t{0};
      auto sent = letters_[i];
      letters_.erase(letters_.begin() + static_cast<std::ptrdiff_t>(i));
      if (!chance(.1))
        deliver(sent);
    } else if (x < .90) {
      auto f = static_cast<double>(random_() >> 11) * 0x1.0p-53;
      auto who = pick(writers_.size());
      // A table that is locked for a while stops its lane's writer.
      if (writers_[who].lane == locked_lane_ && step < locked_until_)
        continue;
      advance(who, f < .85   ? fate::done
                   : f < .93 ? fate::nothing_happened
                             : fate::outcome_unknown);
    } else if (x < .905) {
      locked_lane_ = pick(config_.lanes);
      locked_until_ = step + pick(60);
    } else if (x < .92) {
      add_writer(pick(config_.lanes)); // the old one stays as a zombie
    } else if (x < .94) {
      add_consumer(pick(config_.partitions));
    } else if (x < .945) {
      // A lane halts, or an operator resumes it.
      auto lane = pick(config_.lanes);
      auto& state = pg_.lanes[lane].row.state;
      state = state == lane_state::active ? lane_state::halted
                                          : lane_state::active;
      commit();
      for (auto& w : writers_)
        if (w.lane == lane && state == lane_state::active)
          w.core->resume();
    } else if (x < .955) {
      // A failover forgets up to three commits, epochs included.
      auto back = 1 + pick(std::min<std::size_t>(4, history_.size()));
      pg_ = history_[history_.size() - back];
      history_.assign(1, pg_);
      for (auto& w : writers_)
        if (chance(.7))
          w.core->reconnected();
    } else {
      keep_floor(pick(consumers_.size()));
    }
  }
}

bool simulation::finish() {
  // No restarts: who is there last must finish by resync alone (I7).
  for (auto& lane : pg_.lanes)
    lane.row.state = lane_state::active;
  std::erase_if(parcels_, [this](const parcel&) { return chance(.5); });
  for (std::size_t lane = 0; lane < config_.lanes; ++lane) {
    auto& core = *writers_[last_writer(lane)].core;
    core.resume();
    // No failover goes unnoticed for ever: its connection broke, too.
    core.reconnected();
    pump(last_writer(lane));
  }
  for (int round = 0; round < 300; ++round) {
    now_ += std::chrono::seconds{2};
    for (std::size_t p = 0; p < config_.partitions; ++p)
      read_some(last_consumer(p), 6);
    while (!parcels_.empty() || !letters_.empty()) {
      for (const auto& x : std::exchange(parcels_, {}))
        deliver(x, last_writer(x.lane));
      for (std::size_t lane = 0; lane < config_.lanes; ++lane)
        // Enough to find a few poisoned events among all.
        for (int i = 0; i < 100; ++i) {
          advance(last_writer(lane), fate::done);
          if (i > 0 && writers_[last_writer(lane)].step == lane_step::none)
            break;
        }
      for (const auto& x : std::exchange(letters_, {}))
        deliver(x);
    }
    for (std::size_t p = 0; p < config_.partitions; ++p)
      keep_floor(last_consumer(p));
    auto done = true;
    for (std::size_t p = 0; p < config_.partitions; ++p) {
      const auto& c = consumers_[last_consumer(p)];
      done = done && c.assigned && !c.feed->cursor().needs_assign()
             && c.feed->cursor().position() >= end_[p]
             && c.feed->cursor().detached_lanes() == 0
             && !c.feed->has_open_events()
             && c.feed->cursor().lent_bytes() == 0;
    }
    if (done && !verdict())
      return true;
  }
  return false;
}

std::optional<std::string> simulation::verdict() const {
  for (std::size_t lane = 0; lane < config_.lanes; ++lane) {
    auto name = "lane " + std::to_string(lane);
    for (std::size_t p = 0; p < config_.partitions; ++p) {
      std::vector<int64_t> got;
      for (const auto& x : pg_.lanes[lane].applied)
        if (x.partition == p)
          got.push_back(x.at.value);
      std::vector<int64_t> wanted;
      for (const auto& e : log_[p])
        if (e.lane == lane && !e.poison)
          wanted.push_back(e.at.value);
      std::vector<int64_t> dead;
      for (const auto& x : pg_.lanes[lane].dead)
        if (x.partition == p)
          dead.push_back(x.at.value);
      std::vector<int64_t> bad;
      for (const auto& e : log_[p])
        if (e.lane == lane && e.poison)
          bad.push_back(e.at.value);
      if (dead != bad)
        return "DEAD " + name;
      auto once = std::set<int64_t>(got.begin(), got.end());
      if (once.size() != got.size())
        return "DUP " + name;
      if (once != std::set<int64_t>(wanted.begin(), wanted.end()))
        return "LOST " + name;
      if (got != wanted)
        return "ORDER " + name;
    }
  }
  return std::nullopt;
}

std::optional<std::string> simulation::run() {
  for (std::size_t lane = 0; lane < config_.lanes; ++lane)
    add_writer(lane);
  for (std::size_t p = 0; p < config_.partitions; ++p)
    add_consumer(p);
  chaos();
  if (finish())
    return std::nullopt;
  auto result = verdict();
  return result ? result : "STUCK";
}

} // namespace millrace::test
