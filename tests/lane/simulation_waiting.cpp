// The simulated shells around events that wait, and whoever replays dead
// letters.

#include "tests/lane/simulation.hpp"

#include <algorithm>

namespace millrace::test {

namespace {

using namespace std::chrono_literals;

constexpr auto retry_first = 400ms;
constexpr std::chrono::milliseconds retry_max = 6s;

/// Several tries, and time for each to be told.
constexpr auto ripe_patience = 30s;

/// As many first delays once a commit has woken the lane.
constexpr int woken_patience = 3;

/// Events that are read at a time.
constexpr std::size_t chunk_events = 3;

} // namespace

// -- a LANE WRITER's timers ---------------------------------------------------

/// Mapped again by the program that runs, which may be older than the rows.
/// Nothing waits for a program of another map.
simulation::writer_answer simulation::read_waiting(const writer& w) {
  writer_answer result{.what = outcome::events};
  const auto& row = w.core->row();
  if (!row || row->map_version != db_.version())
    return result;
  for (const auto& x : db_.waiting(w.lane, w.core->wanted_waiting())) {
    if (result.retried.size() == chunk_events)
      break;
    const auto& e = db_.event(x.of);
    auto data = std::make_shared<batch>();
    data->lane = db_.id(db_.owner_of(e));
    data->source = partitions_[x.of.p].id;
    data->range = {x.at, x.at + 1};
    data->map_version = row->map_version;
    data->shape = w.shape;
    add_rows(*data, e, false);
    data->events = 1;
    waiting_event raw;
    raw.number = x.number;
    raw.source = data->source;
    raw.record.at = x.at;
    raw.record.has_value = true;
    raw.expired = db_.is_expired(x);
    result.retried.push_back({std::move(raw), std::move(data)});
  }
  return result;
}

void simulation::tend_waiting(writer& w) {
  if (!w.core->should_retry() || w.next_try)
    return;
  auto before = std::exchange(w.released, w.core->released());
  w.futile = before == w.released ? w.futile + 1 : 0;
  arm_retry(w);
}

void simulation::arm_retry(writer& w) {
  std::chrono::milliseconds delay = retry_first * (1 << std::min(w.futile, 8));
  delay = std::min(delay, w.woken ? woken_patience * retry_first : retry_max);
  w.next_try = w.last_try + delay;
}

/// A lane without a batch may have waiting events all the same.
bool simulation::asks_waiting(writer& w) {
  if (!w.next_ask || *w.next_ask > now_ || draws_.chance(20)
      || is_broken(sabotage::waiting_unasked))
    return false;
  w.next_ask.reset();
  if (w.core->owns_row())
    return false;
  if (!db_.waiting(w.lane).empty()) {
    w.core->expect_waiting();
    return true;
  }
  // Whoever fenced this one may put events aside and go.
  if (w.core->attempts() > 0)
    w.next_ask = now_ + retry_max;
  return false;
}

void simulation::run_timers(std::size_t who) {
  auto& w = writers_[who];
  auto is_due = w.next_try && *w.next_try <= now_
                && !(is_broken(sabotage::timer_lost) && !w.woken);
  is_due = asks_waiting(w) || is_due;
  if (!is_due)
    return;
  w.next_try.reset();
  w.woken = false;
  w.last_try = now_;
  w.sleeps = true;
  w.core->retry_waiting();
  pump(who);
}

/// A commit wakes who sleeps, unless it is of another node.
void simulation::wake_others() {
  if (is_broken(sabotage::wake_lost))
    return;
  for (auto& w : writers_)
    if (w.sleeps && !draws_.chance(30)) {
      w.sleeps = false;
      w.woken = true;
      if (w.next_try)
        arm_retry(w);
    }
}

/// Where nothing fails, an event is tried again until it is written, whatever
/// may end its waiting by time.
void simulation::watch_waiting() {
  auto before = std::exchange(ripe_, {});
  for (const auto& x : db_.ripe()) {
    auto known = std::ranges::find(before, x,
                                   &std::pair<sim_place, sim_time>::first);
    auto since = known == before.end() ? now_ : known->second;
    ripe_.emplace_back(x, since);
    if (now_ - since > ripe_patience)
      db_.fail(std::format("WAIT: offset {} of partition {} waits, although it "
                           "lacks nothing and nothing is before it",
                           db_.event(x).at.value, x.p));
  }
}

// -- replay (rule 14b) --------------------------------------------------------

/// One step of whoever does it.
void simulation::replay_some() {
  if (!replayer_)
    begin_replay();
  else if (replayer_->in_doubt)
    resolve_replay();
  else if (!replayer_->row)
    begin_replay_in_lane();
  // Mostly before the lane's writer has taken it over again.
  if (replayer_ && replayer_->row && !draws_.chance(30))
    flush_replay();
}

/// Of rows that are found by a key none is replayed: it would be older than
/// what has come since.
void simulation::begin_replay() {
  std::vector<sim_letter> able;
  for (const auto& x : db_.letters())
    if (!db_.event(x.of).is_ordered())
      able.push_back(x);
  if (able.empty())
    return;
  auto& x = replayer_.emplace();
  x.letter = able[draws_.pick(able.size())];
  if (!draws_.chance(30))
    db_.mend(x.letter.of);
  say("a dead letter of lane {} is replayed: offset {} of partition {}",
      x.letter.lane, db_.event(x.letter.of).at.value, x.letter.of.p);
}

/// The one that the event is of by the map that counts.
void simulation::begin_replay_in_lane() {
  auto& x = *replayer_;
  x.lane = db_.owner_of(db_.event(x.letter.of));
  x.row = take_over(x.lane, fate::done).row;
}

/// The old transaction is over before anybody looks (rule 21).
void simulation::resolve_replay() {
  if (!settled(replayer_->lane))
    return;
  replayer_->in_doubt = false;
  replayer_->row.reset();
  if (!std::ranges::contains(db_.letters(), replayer_->letter))
    replayer_.reset();
}

sim_work simulation::replay_work() const {
  const auto& x = *replayer_;
  const auto& e = db_.event(x.letter.of);
  auto data = std::make_shared<batch>();
  data->lane = x.row->lane;
  data->source = partitions_[x.letter.of.p].id;
  data->range = {e.at, e.at + 1};
  data->map_version = x.row->map_version;
  data->shape = x.row->shape;
  add_rows(*data, e, !x.letter.noted);
  sim_work result;
  result.what.claim = {.lane = x.row->lane,
                       .epoch = x.row->epoch,
                       .owner = x.row->owner,
                       .next_seq = x.row->next_seq,
                       .seqs = 1,
                       .map_version = x.row->map_version,
                       .shape = x.row->shape,
                       .ranges = {}};
  result.what.sources = {{std::move(data), offset{0}}};
  result.replayed = x.letter;
  return result;
}

void simulation::flush_replay() {
  auto work = replay_work();
  auto lane = replayer_->lane;
  if (db_.is_locked(lane))
    return;
  if (!db_.claim_holds(work.what.claim)) {
    say("the replay is fenced");
    replayer_->row.reset();
    return;
  }
  if (!db_.can_take(work)
      || db_.attempt(work).what != sim_trial::verdict::fits) {
    say("the replay is given up");
    replayer_.reset();
    return;
  }
  ++counts_.replayed;
  switch (auto fate_of_it = draws_.pick(6)) {
    default:
      say("the replay commits");
      db_.commit(work);
      wake_others();
      replayer_.reset();
      break;
    case 3:
    case 4:
      say("the replay {}, but nobody can know",
          fate_of_it == 3 ? "commits" : "does not");
      if (fate_of_it == 3)
        db_.commit(work);
      replayer_->in_doubt = true;
      break;
    case 5:
      say("the replay's transaction stays open");
      db_.leave_open(std::move(work));
      replayer_->in_doubt = true;
      break;
  }
}

} // namespace millrace::test
