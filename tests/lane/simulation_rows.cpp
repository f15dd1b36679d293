// What a transaction does to the rows of the simulated database.

#include "tests/lane/simulation_database.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace::test {

namespace {

std::size_t index(const lane_id& x) {
  return static_cast<std::size_t>(x.number.value);
}

/// The offsets of the source's events: of those with rows once per row, and of
/// those that are left out once more.
std::vector<offset> offsets_of(const flush_source& x) {
  std::vector<offset> result;
  for (const auto& block : x.data->blocks)
    for (auto at : block.offsets)
      if (x.keeps(offset{at}))
        result.emplace_back(at);
  for (const auto& r : x.refused)
    result.push_back(r.at);
  for (const auto& w : x.waiting)
    result.push_back(w.record.at);
  std::ranges::sort(result);
  return result;
}

bool has_note(const flush_source& x, offset at) {
  auto block = static_cast<std::size_t>(sim_deed::note);
  return block < x.data->blocks.size()
         && std::ranges::contains(x.data->blocks[block].offsets, at.value)
         && !std::ranges::contains(x.silent, at);
}

} // namespace

const sim_event* sim_database::find(std::size_t p, offset at) const {
  const auto& log = partitions_[p].log;
  auto e = std::ranges::lower_bound(log, at, {}, &sim_event::at);
  return e != log.end() && e->at == at ? &*e : nullptr;
}

sim_place sim_database::place_of(std::size_t p, const sim_event& e) const {
  return {p, static_cast<std::size_t>(&e - partitions_[p].log.data())};
}

bool sim_database::is_refused(const sim_place& x) const {
  return event(x).poison && !known_[x.p][x.index].mended;
}

void sim_database::mend(const sim_place& x) {
  known_[x.p][x.index].mended = true;
}

void sim_database::lose_record(std::size_t p, offset at) {
  known_[p][place_of(p, *find(p, at)).index].lost = true;
}

// -- what it has --------------------------------------------------------------

void sim_database::collect_effects(const sim_work& x) {
  effects_.clear();
  for (std::size_t i = 0; i < x.what.sources.size(); ++i)
    add_effects(x, i);
}

void sim_database::add_effects(const sim_work& x, std::size_t source) {
  const auto& part = x.what.sources[source];
  auto p = slot_of(part.data->source);
  auto all = offsets_of(part);
  for (auto i = all.begin(); i != all.end();) {
    auto at = *i;
    sim_effect to;
    to.source = source;
    for (; i != all.end() && *i == at; ++i)
      ++to.rows;
    to.event = find(p, at);
    if (!to.event) {
      fail(
        std::format("WRONG: offset {} of partition {} is none", at.value, p));
      continue;
    }
    to.of = place_of(p, *to.event);
    to.noted = has_note(part, at);
    auto refused = std::ranges::find(part.refused, at, &reject::at);
    auto aside = std::ranges::find(part.waiting, at,
                                   [](const auto& w) { return w.record.at; });
    if (refused != part.refused.end()) {
      to.what = sim_fate::dead;
      to.letter = &*refused;
      --to.rows;
    }
    if (aside != part.waiting.end()) {
      to.what = sim_fate::waiting;
      to.aside = &*aside;
      --to.rows;
    }
    effects_.push_back(to);
  }
}

bool sim_database::can_take(const sim_work& x) const {
  if (x.replayed && !std::ranges::contains(now_.tables.letters, *x.replayed))
    return false;
  auto lane = index(x.what.claim.lane);
  return is_broken(sabotage::taken_unseen)
         || std::ranges::all_of(x.what.taken, [this, lane](seq number) {
              return std::ranges::any_of(now_.tables.waiting,
                                         [lane, number](const sim_waiting& w) {
                                           return w.lane == lane
                                                  && w.number == number;
                                         });
            });
}

sim_trial sim_database::attempt(const sim_work& x) {
  using enum sim_trial::verdict;
  collect_effects(x);
  sim_trial result;
  auto is_bad = false;
  auto after = now_.tables.rows;
  after.add_parents(effects_);
  for (const auto& e : effects_) {
    if (e.what != sim_fate::written)
      continue;
    is_bad = is_bad || is_refused(e.of);
    for (const auto& w : e.event->writes) {
      if (after.write(w))
        continue;
      known_[e.of.p][e.of.index].lacked = time_;
      if (w.what == sim_deed::child)
        result.orphans.push_back(
          {e.source, static_cast<std::size_t>(w.what), e.event->at});
      else
        result.lacks.push_back(
          {e.source, static_cast<std::size_t>(w.what), e.event->at});
    }
  }
  if (habits_.names_one && result.lacks.size() > 1)
    result.lacks.resize(1);
  auto lacks = !result.lacks.empty();
  auto is_orphan = !result.orphans.empty();
  if (!habits_.names_orphans)
    result.orphans.clear();
  if (lacks && (habits_.missing_first || !(is_bad || is_orphan)))
    result.what = missing;
  else if (is_bad || is_orphan)
    result.what = is_bad ? poison : no_parent;
  return result;
}

// -- what it does -------------------------------------------------------------

void sim_database::commit(const sim_work& x) {
  const auto& claim = x.what.claim;
  collect_effects(x);
  check_flush(x);
  for (const auto& r : claim.ranges)
    check(x.what, static_cast<std::size_t>(r.at.value), r.range);
  take(x);
  now_.tables.rows.add_parents(effects_);
  seq letter{claim.next_seq.value + 1};
  auto aside = first_waiting(x.what);
  for (const auto& e : effects_)
    apply(x, e, letter, aside);
  auto& row = now_.lanes[index(claim.lane)];
  row.next_seq.value += claim.seqs;
  for (const auto& r : claim.ranges)
    row.next_off[static_cast<std::size_t>(r.at.value)] = r.range.to;
  remember();
}

void sim_database::take(const sim_work& x) {
  auto lane = index(x.what.claim.lane);
  auto is_taken = [&x, lane](const sim_waiting& w) {
    return w.lane == lane && std::ranges::contains(x.what.taken, w.number);
  };
  taken_.clear();
  std::ranges::copy_if(now_.tables.waiting, std::back_inserter(taken_),
                       is_taken);
  std::erase_if(now_.tables.waiting, is_taken);
  if (x.replayed && !is_broken(sabotage::letter_kept))
    std::erase(now_.tables.letters, *x.replayed);
}

void sim_database::apply(const sim_work& x, const sim_effect& e, seq& letter,
                         seq& aside) {
  auto& tables = now_.tables;
  auto lane = index(x.what.claim.lane);
  auto& fate = tables.fates[e.of.p][e.of.index];
  auto expected = x.replayed                    ? sim_fate::dead
                  : x.what.claim.ranges.empty() ? sim_fate::waiting
                                                : sim_fate::none;
  if (fate != expected)
    fail(std::format("DUP: offset {} of partition {} in lane {}, again",
                     e.event->at.value, e.of.p, lane));
  check_rows(x, e);
  if (e.noted)
    tables.noted[e.of.p][e.of.index] = true;
  fate = e.what;
  if (e.what == sim_fate::written) {
    write_rows(e);
  } else if (e.what == sim_fate::waiting) {
    if (!may_wait(e, lane))
      fail(std::format("WAIT: offset {} of partition {} in lane {}, for "
                       "nothing",
                       e.event->at.value, e.of.p, lane));
    check_number(lane, aside);
    tables.waiting.push_back(
      {lane, aside, e.of, e.event->at, time_,
       std::make_shared<const std::vector<touched_row>>(e.aside->touches)});
    ++aside.value;
  } else {
    if (!may_die(x, e))
      fail(std::format("DEAD: offset {} of partition {} in lane {}: {}",
                       e.event->at.value, e.of.p, lane, e.letter->reason));
    check_number(lane, letter);
    tables.letters.push_back(
      {lane, letter, e.of, tables.noted[e.of.p][e.of.index]});
    ++letter.value;
  }
}

void sim_database::write_rows(const sim_effect& x) {
  auto at = x.event->at;
  if (is_refused(x.of))
    fail(std::format("DEAD: offset {} of partition {} is written, although it "
                     "is refused",
                     at.value, x.of.p));
  for (const auto& w : x.event->writes) {
    if (!now_.tables.follows(w, x.of.p, at))
      fail(std::format("ORDER: offset {} of partition {} is written after what "
                       "is newer",
                       at.value, x.of.p));
    if (w.what == sim_deed::child && now_.foreign[w.key])
      ++adopted_;
    if (!now_.tables.rows.write(w))
      fail(std::format("LOST: offset {} of partition {} is written without the "
                       "row that it needs",
                       at.value, x.of.p));
  }
}

} // namespace millrace::test
