// Rule 25 in the simulated world: a run may be a backfill. Its end moves on
// until it is known, and from then on another pipeline writes what is beyond.
//
// That one is simple here, as its own protocol is what all other runs are
// about: it writes the events of a partition in order and once, and loses
// nothing but by a failover. What it cannot write is a dead letter at once. It
// comes to an end nowhere.

#include "tests/lane/simulation.hpp"

#include <algorithm>
#include <format>

namespace millrace::test {

// -- what happens -------------------------------------------------------------

/// The other pipeline goes on; now and then its map begins to write the tables.
void simulation::move_other() {
  if (db_.view(0).ends) {
    auto p = draws_.pick(db_.slots());
    go_beyond(p, 1 + draws_.pick(3));
  } else if (draws_.chance(8)) {
    end_backfill();
  } else {
    auto p = draws_.pick(db_.slots());
    auto by = static_cast<int64_t>(draws_.pick(12));
    db_.follow(p, {std::min(db_.view(p).until->value + by,
                            partitions_[p].end.value)});
  }
}

void simulation::end_backfill() {
  if (!db_.end_backfill())
    return;
  ++counts_.ended;
  say("the backfill ends where the other pipeline is, map {}",
      db_.version().value);
  // As after any change of a map: nothing of before holds.
  for (std::size_t lane = 0; mixed_ && lane < db_.lanes(); ++lane)
    add_writer(lane);
}

bool simulation::go_beyond(std::size_t p, std::size_t events) {
  if (!db_.write_beyond(p, events))
    return false;
  ++counts_.beyond;
  say("the other pipeline writes partition {} beyond the end", p);
  wake_others();
  return true;
}

/// The end comes at the latest when nothing fails any more. Where a failover
/// has taken back what the other pipeline had read, that one goes on first.
void simulation::come_to_end() {
  if (!config_.backfill)
    return;
  if (!db_.view(0).ends) {
    for (std::size_t p = 0; p < db_.slots(); ++p)
      for (std::size_t lane = 0; lane < db_.lanes(); ++lane)
        db_.follow(p, db_.next(lane, p));
    end_backfill();
  }
  for (std::size_t p = 0; p < db_.slots(); ++p)
    go_beyond(p, 3);
}

// -- what is durable ----------------------------------------------------------

void sim_database::follow(std::size_t p, offset to) {
  if (now_.ends || to <= now_.until[p])
    return;
  now_.until[p] = to;
  remember();
}

bool sim_database::end_backfill() {
  if (now_.ends)
    return false;
  for (std::size_t i = 0; i < lanes(); ++i) {
    if (is_locked(i))
      return false;
    for (std::size_t p = 0; p < slots(); ++p)
      if (effective(i, p) > now_.until[p] && !is_broken(sabotage::end_unready))
        return false;
  }
  now_.ends = true;
  now_.changing = false;
  now_.beyond = now_.until;
  if (!is_broken(sabotage::end_unversioned)) {
    // The same lanes, and nothing of before holds any more; nor what was read
    // up to an end that was forgotten.
    now_.version.value += 1'000 * ++ends_;
    for (auto& x : now_.floors)
      x.token = mint();
    for (auto& x : now_.lanes) {
      ++x.epoch.value;
      x.owner = {};
      x.map_version = version();
    }
  }
  for (std::size_t i = 0; i < lanes(); ++i)
    for (std::size_t p = 0; p < slots(); ++p)
      check_end(p, effective(i, p));
  remember();
  return true;
}

/// Writes what does not bear any order, so it waits until the backfill is done
/// there.
bool sim_database::is_held(std::size_t p) const {
  auto of_here = [p](const sim_waiting& x) { return x.of.p == p; };
  return !is_broken(sabotage::end_unheld)
         && (now_.floors[p].floor < now_.until[p]
             || std::ranges::any_of(now_.tables.waiting, of_here));
}

bool sim_database::is_all_beyond(std::size_t p) const {
  return std::ranges::all_of(partitions_[p].log, [this, p](const sim_event& e) {
    return e.at < now_.beyond[p];
  });
}

bool sim_database::write_beyond(std::size_t p, std::size_t events) {
  if (!now_.ends || is_held(p))
    return false;
  const auto& log = partitions_[p].log;
  auto e = std::ranges::lower_bound(log, now_.beyond[p], {}, &sim_event::at);
  if (e == log.end())
    return false;
  for (; e != log.end() && events > 0; ++e, --events) {
    if (e->route > 0 && !is_refused(place_of(p, *e)))
      write_foreign(p, *e);
    now_.beyond[p] = e->at + 1;
  }
  remember();
  return true;
}

/// All of its rows or none.
void sim_database::write_foreign(std::size_t p, const sim_event& e) {
  auto& tables = now_.tables;
  auto after = tables.rows;
  for (const auto& w : e.writes)
    if (!after.write(w))
      return;
  for (const auto& w : e.writes) {
    if (w.what == sim_deed::parent && !after.parents[w.key])
      after.parents[w.key] = now_.foreign[w.key] = true;
    tables.follows(w, p, e.at);
  }
  tables.rows = after;
}

/// The other pipeline writes what is beyond.
void sim_database::check_end(std::size_t p, offset to) {
  if (now_.ends && to > now_.until[p])
    fail(std::format("BEYOND: partition {} is written up to {}, the backfill "
                     "ends at {}",
                     p, to.value, now_.until[p].value));
}

} // namespace millrace::test
