// Rule 25 in the simulated world: changes of the map.

#include "tests/lane/simulation.hpp"

namespace millrace::test {

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

} // namespace millrace::test
