// The simulated shells of LANE WRITERS: their steps in the database, and what
// they hear of them.

#include "tests/lane/simulation.hpp"

#include <algorithm>

namespace millrace::test {

namespace {

std::string words(const flush& x) {
  std::string result;
  for (const auto& r : x.claim.ranges)
    result += std::format(" {}[{},{})", r.at.value, r.range.from.value,
                          r.range.to.value);
  for (const auto& part : x.sources)
    for (const auto& r : part.refused)
      result += std::format(" with a dead letter for {}", r.at.value);
  for (const auto& part : x.sources)
    for (const auto& w : part.waiting)
      result += std::format(" and puts {} aside", w.record.at.value);
  for (auto number : x.taken)
    result += std::format(" what waited as {}", number.value);
  return result;
}

} // namespace

std::size_t simulation::add_writer(std::size_t lane) {
  // Small ones, so that flushes split and batches are dropped.
  lane_limits limits;
  constexpr std::size_t flush_bytes[] = {8 << 20, 1, 700};
  constexpr std::size_t queue_bytes[] = {64 << 20, 1'500};
  limits.flush_bytes = flush_bytes[draws_.pick(3)];
  limits.queue_bytes = queue_bytes[draws_.pick(2)];
  if (draws_.chance(20))
    limits.waiting_events = little_room;
  auto& x = writers_.emplace_back();
  x.lane = lane;
  x.next_ask = now_;
  x.shape = db_.shape();
  x.core = std::make_unique<lane_core>(db_.id(lane), limits, sim_traits());
  say("writer {} of lane {} begins", writers_.size() - 1, lane);
  return writers_.size() - 1;
}

std::size_t simulation::last_writer(std::size_t lane) {
  for (auto i = writers_.size(); i-- > 0;)
    if (writers_[i].lane == lane)
      return i;
  return add_writer(lane);
}

void simulation::deliver(const parcel& x, std::size_t to) {
  say("writer {} gets {}[{},{}) #{} of consumer {}", to,
      db_.slot_of(x.data->source), x.data->range.from.value,
      x.data->range.to.value, x.data->rewind.value, x.consumer);
  auto p = static_cast<int32_t>(db_.slot_of(x.data->source));
  writers_[to].core->receive(x.data, slot{p},
                             origin{static_cast<uint32_t>(x.consumer)});
  pump(to);
}

void simulation::pump(std::size_t who) {
  auto& w = writers_[who];
  auto take_letters = [&] {
    for (const auto& x : w.core->take_replies()) {
      check_replies(w, x);
      letters_.push_back({w.lane, x.to.value, x.reply});
    }
  };
  take_letters();
  tend_waiting(w);
  if (w.step == lane_step::none && !w.waiting) {
    w.step = w.core->next_step();
    take_letters();
  }
  counts_.dropped
    += static_cast<std::size_t>(w.core->dropped_batches() - w.dropped);
  w.dropped = w.core->dropped_batches();
  auto why = w.core->halted();
  if (why != lane_halt::none && why != lane_halt::by_row
      && why != lane_halt::row_missing)
    db_.fail("HALT: lane " + std::to_string(w.lane) + ": "
             + w.core->halt_reason());
}

void simulation::reconnect(std::size_t who) {
  auto& w = writers_[who];
  w.core->reconnected();
  w.next_ask = now_;
  pump(who);
}

void simulation::check_replies(const writer& w, const addressed_reply& x) {
  if (x.reply.what == lane_reply::kind::nack)
    ++counts_.nacks;
  auto p = db_.slot_of(x.reply.source);
  if (x.reply.what == lane_reply::kind::ack && x.reply.at > db_.ever(w.lane, p))
    db_.fail(std::format("ACK: lane {} acknowledges {} of partition {}, which "
                         "never was durable",
                         w.lane, x.reply.at.value, p));
}

// -- steps --------------------------------------------------------------------

/// What the step does in the database; the writer hears of it by `tell`.
void simulation::execute(std::size_t who, fate f) {
  auto& w = writers_[who];
  auto step = std::exchange(w.step, lane_step::none);
  writer_answer result;
  switch (step) {
    case lane_step::none:
      return;
    case lane_step::read_waiting:
      if (f == fate::done)
        result = read_waiting(w);
      break;
    case lane_step::take_over:
      result = take_over(w.lane, f);
      break;
    case lane_step::load:
      if (f == fate::done)
        result = {.what = outcome::row,
                  .row = db_.read(w.lane),
                  .torn = draws_.chance(20)};
      break;
    case lane_step::resolve:
      result = resolve(w.lane, f);
      break;
    case lane_step::fetch:
      if (f != fate::nothing_happened)
        result = {.what = outcome::fetched, .found = f == fate::done};
      if (f == fate::outcome_unknown) {
        auto wanted = w.core->wanted();
        db_.lose_record(db_.slot_of(wanted.source), wanted.at);
      }
      break;
    case lane_step::flush:
      result = flush_now(w, f);
      break;
  }
  w.waiting = std::move(result);
}

simulation::writer_answer simulation::take_over(std::size_t lane, fate f) {
  if (lane >= db_.lanes())
    return {.what = outcome::no_row};
  if (f == fate::nothing_happened || !settled(lane))
    return {};
  if (!db_.is_active(lane))
    return {.what = outcome::inactive};
  auto row = db_.take_over(lane);
  say("lane {} is taken over, epoch {}", lane, row.epoch.value);
  if (f == fate::outcome_unknown)
    return {};
  return {.what = outcome::taken,
          .row = std::move(row),
          .torn = draws_.chance(20)};
}

/// Whether nobody holds the row any more.
bool simulation::settled(std::size_t lane) {
  if (!db_.is_locked(lane))
    return true;
  if (!draws_.chance(50))
    return false;
  say("lane {}: the open transaction is ended", lane);
  db_.settle(lane, false);
  return true;
}

simulation::writer_answer simulation::resolve(std::size_t lane, fate f) {
  if (f != fate::done || !settled(lane))
    return {};
  return {.what = outcome::row, .row = db_.read(lane)};
}

simulation::writer_answer simulation::flush_now(writer& w, fate f) {
  sim_work work{w.core->flight()};
  const auto& flight = work.what;
  if (is_broken(sabotage::dead_letter_apart))
    db_.write_apart(flight);
  if (f == fate::nothing_happened) {
    constexpr outcome all[] = {outcome::retry, outcome::lost, outcome::smaller};
    return {.what = all[draws_.pick(3)]};
  }
  // It waits for the row, but not for ever.
  if (db_.is_locked(w.lane))
    return {.what = outcome::retry};
  if (!db_.claim_holds(flight.claim) || !db_.can_take(work))
    return {.what = outcome::refused};
  auto trial = db_.attempt(work);
  switch (trial.what) {
    case sim_trial::verdict::fits:
      break;
    case sim_trial::verdict::poison:
      return {.what = outcome::poison};
    case sim_trial::verdict::no_parent:
      return {.what = outcome::no_parent, .lacks = std::move(trial.orphans)};
    case sim_trial::verdict::missing:
      return {.what = outcome::missing, .lacks = std::move(trial.lacks)};
  }
  count(flight);
  if (f == fate::done) {
    say("lane {} commits{}", w.lane, words(flight));
    db_.commit(work);
    wake_others();
    return {.what = outcome::committed};
  }
  switch (draws_.pick(3)) {
    case 0:
      say("lane {} commits{}, but the writer cannot know", w.lane,
          words(flight));
      db_.commit(work);
      break;
    case 1:
      say("lane {} sends{}, and the transaction stays open", w.lane,
          words(flight));
      db_.leave_open(std::move(work));
      break;
    default:
      say("lane {} does not commit{}, but the writer cannot know", w.lane,
          words(flight));
      break;
  }
  return {.what = outcome::lost};
}

void simulation::count(const flush& x) {
  for (const auto& part : x.sources) {
    counts_.parts += part.keep_below < part.data->range.to ? 1 : 0;
    counts_.dead_letters += part.refused.size();
    counts_.put_aside += part.waiting.size();
  }
  auto dead = x.claim.ranges.empty() ? reject_count(x) : 0;
  counts_.released += x.taken.size() - static_cast<std::size_t>(dead);
  auto lane = static_cast<std::size_t>(x.claim.lane.number.value);
  for (const auto& w : db_.waiting(lane))
    if (std::ranges::contains(x.taken, w.number))
      counts_.waited += static_cast<std::size_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now_ - w.since)
          .count());
}

/// The rows of a flush were refused.
void simulation::tell_refused(writer& w, outcome what,
                              std::vector<missing_write> lacks) {
  auto& core = *w.core;
  auto parts = what == outcome::missing && core.flies_before_orphans();
  if (parts && waits_for_parents(w, lacks))
    return;
  if (what == outcome::missing) {
    core.rows_missing(lacks, "no row");
  } else if (what == outcome::poison) {
    core.data_refused({"22003", "refused", "refused"});
  } else if (waits_for_parents(w, lacks)) {
    return;
  } else if (!lacks.empty()) {
    core.rows_missing(lacks, "no parent", std::string{lacks_parent});
  } else {
    core.data_refused({std::string{lacks_parent}, "no parent", "no parent"});
  }
}

bool simulation::waits_for_parents(writer& w,
                                   std::vector<missing_write>& lacks) {
  auto waits = w.parents.refused(*w.core, lacks, now_).has_value();
  counts_.before_orphans += waits && w.core->flies_before_orphans() ? 1 : 0;
  return waits;
}

void simulation::tell(std::size_t who) {
  static constexpr const char* words_of[]
    = {"nothing",      "no such lane", "an inactive lane", "taken over",
       "its row",      "a record",     "committed",        "refused",
       "data refused", "no parent",    "rows missing",     "in doubt",
       "try again",    "half of it",   "waiting events"};
  auto& w = writers_[who];
  if (!w.waiting)
    return;
  auto x = *std::exchange(w.waiting, std::nullopt);
  auto& core = *w.core;
  if (x.row && x.torn)
    x.row->waiting = db_.waiting_entries(w.lane);
  say("writer {} hears: {}", who, words_of[static_cast<std::size_t>(x.what)]);
  switch (x.what) {
    case outcome::failed:
      core.step_failed();
      break;
    case outcome::no_row:
      core.halt(lane_halt::row_missing, "no row");
      break;
    case outcome::inactive:
      core.halt(lane_halt::by_row, "halted");
      break;
    case outcome::taken:
      core.took_over(std::move(*x.row));
      break;
    case outcome::row:
      core.loaded(std::move(x.row));
      if (!core.owns_row())
        w.next_ask = now_;
      break;
    case outcome::fetched: {
      record_copy raw;
      raw.found = raw.has_value = x.found;
      core.fetched(raw);
      break;
    }
    case outcome::committed:
      w.parents.committed(core);
      break;
    case outcome::refused:
      core.refused();
      break;
    case outcome::poison:
    case outcome::no_parent:
    case outcome::missing:
      tell_refused(w, x.what, std::move(x.lacks));
      break;
    case outcome::events:
      core.waiting_read(std::move(x.retried));
      break;
    case outcome::lost:
      core.lost();
      break;
    case outcome::retry:
      core.retry();
      break;
    case outcome::smaller:
      core.retry_smaller();
      break;
  }
  pump(who);
}

} // namespace millrace::test
