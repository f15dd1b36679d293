// What is checked at each commit of the simulated database.

#include "tests/lane/simulation_database.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::test {

namespace {

std::size_t index(const lane_id& x) {
  return static_cast<std::size_t>(x.number.value);
}

} // namespace

/// The flush's events of one partition, in the order they are written.
void sim_database::collect(const flush& x, std::size_t p) {
  written_.clear();
  for (const auto& part : x.sources) {
    if (slot_of(part.data->source) != p)
      continue;
    auto letter = part.refused.begin();
    for (const auto& block : part.data->blocks)
      for (auto at : block.offsets) {
        if (letter != part.refused.end() && letter->at == offset{at}) {
          written_.push_back({offset{at}, true});
          ++letter;
        } else if (part.keeps(offset{at})) {
          written_.push_back({offset{at}, false});
        }
      }
  }
}

/// Below a lane's effective offset all is written already. So a commit up to
/// `range.to` has to write the lane's events from there on, and no others.
void sim_database::check(const flush& x, std::size_t p, offset_range range) {
  auto lane = index(x.claim.lane);
  auto complain = [&](std::string_view what, offset at) {
    fail(std::format("{}: offset {} of partition {} in lane {}", what, at.value,
                     p, lane));
  };
  if (range.to < next(lane, p))
    complain("BACK", range.to);
  collect(x, p);
  auto here = effective(lane, p);
  auto i = written_.begin();
  for (const auto& e : partitions_[p].log) {
    if (e.at < here || e.at >= range.to || lane_of(p, e) != lane)
      continue;
    auto found = std::ranges::find(written_, e.at, &written_event::at);
    if (found == written_.end())
      complain("LOST", e.at);
    else if (found->dead != e.poison)
      complain("DEAD", e.at);
    else if (found != i) {
      const auto& astray = i != written_.end() ? *i : *found;
      complain(explain(astray, lane, p), astray.at);
    }
    if (i != written_.end())
      ++i;
  }
  if (i != written_.end())
    complain(explain(*i, lane, p), i->at);
}

/// Why an event is not where it should be.
std::string_view sim_database::explain(const written_event& x, std::size_t lane,
                                       std::size_t p) const {
  const auto& log = partitions_[p].log;
  auto e = std::ranges::lower_bound(log, x.at, {}, &sim_event::at);
  if (lane_of(p, *e) != lane)
    return "WRONG LANE";
  auto twice = std::ranges::count(written_, x.at, &written_event::at) > 1;
  return twice || x.at < effective(lane, p) ? "DUP" : "ORDER";
}

void sim_database::write_apart(const flush& x) {
  for (const auto& part : x.sources)
    for (const auto& r : part.refused) {
      std::pair letter{slot_of(part.data->source), r.at};
      const auto& log = partitions_[letter.first].log;
      auto e = std::ranges::lower_bound(log, r.at, {}, &sim_event::at);
      if (!e->poison)
        fail(std::format("DEAD: the letter of {}, which is well", r.at.value));
      if (std::ranges::contains(apart_, letter))
        fail(std::format("DUP: the dead letter of offset {}", r.at.value));
      apart_.push_back(letter);
    }
}

/// What a floor passes was written.
void sim_database::check_floor(std::size_t p, offset from, offset to) {
  for (const auto& e : partitions_[p].log)
    if (e.at >= from && e.at < to)
      if (auto lane = lane_of(p, e); lane && e.at >= effective(*lane, p))
        fail(std::format("LOST: the floor passes offset {} of partition {}, "
                         "which lane {} lacks",
                         e.at.value, p, *lane));
}

} // namespace millrace::test
