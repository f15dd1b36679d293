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

/// What holds of any transaction. It has a number of its own, and one for each
/// event that does not become rows.
void sim_database::check_flush(const sim_work& x) {
  auto lane = index(x.what.claim.lane);
  for (const auto& part : x.what.sources) {
    if (part.data->shape != now_.shape)
      fail(std::format("SHAPE: lane {} took rows of another one", lane));
    for (const auto& r : part.refused)
      if (!r.has_value && r.reason == "refused")
        fail(std::format("DEAD: the letter of {} has no record", r.at.value));
  }
  if (x.what.claim.seqs != 1 + reject_count(x.what))
    fail(std::format("SEQ: lane {} takes {} numbers for {} events", lane,
                     x.what.claim.seqs, reject_count(x.what)));
}

void sim_database::check_number(std::size_t lane, seq number) {
  auto is_same = [lane, number](const auto& x) {
    return x.lane == lane && x.number == number;
  };
  if (std::ranges::any_of(now_.tables.waiting, is_same)
      || std::ranges::any_of(now_.tables.letters, is_same))
    fail(std::format("SEQ: lane {} gives number {} again", lane, number.value));
}

/// Each of the event's rows is in the flush once. A retry has no row that is
/// always made, and a replay only where none was made before.
void sim_database::check_rows(const sim_work& x, const sim_effect& e) {
  auto retries = x.what.claim.ranges.empty() && !x.replayed;
  auto note = e.event->writes_note() && !retries
              && !(x.replayed && x.replayed->noted);
  auto expected = e.event->writes.size()
                  - (e.event->writes_note() && !note ? 1 : 0);
  if (retries && e.what == sim_fate::dead)
    expected = 0;
  if (e.rows != expected || e.noted != note)
    fail(std::format("ROWS: offset {} of partition {} has {} instead of {}",
                     e.event->at.value, e.of.p, e.rows, expected));
  if (e.noted && now_.tables.noted[e.of.p][e.of.index])
    fail(std::format("DUP: the row that is always made of offset {}",
                     e.event->at.value));
}

/// PostgreSQL has said that it lacks a row, or it stands behind one that waits.
bool sim_database::may_wait(const sim_effect& x, std::size_t lane) const {
  if (known_[x.of.p][x.of.index].lacked)
    return true;
  return std::ranges::any_of(now_.tables.waiting, [&](const sim_waiting& w) {
    return w.lane == lane
           && std::ranges::any_of(*w.touches, [&x](const touched_row& t) {
                return std::ranges::contains(x.aside->touches, t.row,
                                             &touched_row::row);
              });
  });
}

std::vector<sim_place> sim_database::ripe() const {
  std::vector<sim_place> result;
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    std::vector<key_hash> before;
    for (const auto& x : waiting(lane)) {
      auto is_before = [&before](const touched_row& t) {
        return std::ranges::contains(before, t.row);
      };
      auto rows = now_.tables.rows;
      auto lacks = [&rows](const sim_write& w) { return !rows.write(w); };
      if (std::ranges::none_of(*x.touches, is_before)
          && std::ranges::none_of(event(x.of).writes, lacks))
        result.push_back(x.of);
      for (const auto& t : *x.touches)
        before.push_back(t.row);
    }
  }
  return result;
}

bool sim_database::may_die(const sim_work& x, const sim_effect& e) const {
  if (is_refused(e.of))
    return true;
  const auto& known = known_[e.of.p][e.of.index];
  if (x.what.claim.ranges.empty()) {
    auto entry = std::ranges::find(taken_, e.of, &sim_waiting::of);
    return entry != taken_.end() && known.lacked
           && *known.lacked - entry->since >= habits_.keep;
  }
  auto lane = index(x.what.claim.lane);
  auto room = std::ranges::count(now_.tables.waiting, lane, &sim_waiting::lane);
  return e.letter->stage == reject_stage::waiting
         && (known.lost || static_cast<std::size_t>(room) >= little_room);
}

// -- the log ------------------------------------------------------------------

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
  check_end(p, range.to);
  std::vector<const sim_effect*> written;
  for (const auto& e : effects_)
    if (e.of.p == p)
      written.push_back(&e);
  auto here = effective(lane, p);
  auto i = written.begin();
  for (const auto& e : partitions_[p].log) {
    if (e.at < here || e.at >= range.to || lane_of(p, e) != lane)
      continue;
    auto found = std::ranges::find(written, &e, &sim_effect::event);
    if (found == written.end())
      complain("LOST", e.at);
    else if (found != i) {
      const auto& astray = i != written.end() ? **i : **found;
      complain(explain(astray, lane, p), astray.event->at);
    }
    if (i != written.end())
      ++i;
  }
  if (i != written.end())
    complain(explain(**i, lane, p), (*i)->event->at);
}

/// Why an event is not where it should be.
std::string_view sim_database::explain(const sim_effect& x, std::size_t lane,
                                       std::size_t p) const {
  if (lane_of(p, *x.event) != lane)
    return "WRONG LANE";
  auto twice = std::ranges::count(effects_, x.event, &sim_effect::event) > 1;
  return twice || x.event->at < effective(lane, p) ? "DUP" : "ORDER";
}

void sim_database::write_apart(const flush& x) {
  for (const auto& part : x.sources)
    for (const auto& r : part.refused) {
      if (r.stage != reject_stage::store)
        continue;
      std::pair letter{slot_of(part.data->source), r.at};
      if (!is_refused(place_of(letter.first, *find(letter.first, r.at))))
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
