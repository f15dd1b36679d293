// Rule 25 in the simulated world: other maps, and a backfill, whose end moves
// on until it is known.

#include "tests/lane/simulation.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::test {

// -- changes of the map (rule 25) ---------------------------------------------

void simulation::plan_change() {
  if (db_.changing())
    return;
  db_.plan_change();
  say("the map is about to change");
}

void simulation::try_switch() {
  if (!db_.changing())
    return;
  if (db_.switch_map(lanes_of_next_map())) {
    ++counts_.switched;
    say("map {} with {} lanes", db_.version().value, db_.map().lanes);
    // The nodes plant their trees anew, each in its time.
    for (std::size_t lane = 0; mixed_ && lane < db_.lanes(); ++lane)
      add_writer(lane);
  } else if (draws_.chance(10)) {
    db_.abort_change();
    say("the change of the map is given up");
  }
}

/// The same change is made again after a failover has forgotten it.
std::size_t simulation::lanes_of_next_map() const {
  auto change = static_cast<std::size_t>(db_.version().value) + first_change_;
  constexpr std::size_t all[] = {4, 2, 3};
  return all[change % 3];
}

// -- backfills
// ------------------------------------------------------------------

/// The other pipeline goes on; now and then its map begins to write the tables.
void simulation::move_end() {
  if (draws_.chance(8)) {
    if (db_.end_backfill()) {
      ++counts_.ended;
      say("the backfill ends where the other pipeline is");
    }
    return;
  }
  auto p = draws_.pick(db_.slots());
  auto by = static_cast<int64_t>(draws_.pick(12));
  db_.follow(p, {std::min(db_.view(p).until->value + by,
                          partitions_[p].end.value)});
}

/// At the latest when nothing fails any more. Where a failover has taken back
/// what the other pipeline had read, that one goes on first.
void simulation::come_to_end() {
  if (!config_.backfill || db_.view(0).ends)
    return;
  for (std::size_t p = 0; p < db_.slots(); ++p)
    for (std::size_t lane = 0; lane < db_.lanes(); ++lane)
      db_.follow(p, db_.next(lane, p));
  if (db_.end_backfill())
    ++counts_.ended;
}

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

/// The other pipeline writes what is beyond.
void sim_database::check_end(std::size_t p, offset to) {
  if (now_.ends && to > now_.until[p])
    fail(std::format("BEYOND: partition {} is written up to {}, the backfill "
                     "ends at {}",
                     p, to.value, now_.until[p].value));
}

} // namespace millrace::test
