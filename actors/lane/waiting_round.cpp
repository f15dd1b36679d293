#include "actors/lane/waiting_round.hpp"

#include "actors/lane/mutation.hpp"
#include "actors/lane/parent_patience.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace millrace {

namespace {

/// As a dead letter's first words.
std::string after_waiting(const waiting_event& x, const std::string& why) {
  return std::format("waited for {} s: {}", x.waited_ms / 1'000, why);
}

} // namespace

void waiting_round::begin(const waiting_set& all) {
  abandon();
  all_ = &all;
  failures_ = 0;
  const auto& entries = all.entries();
  if (entries.empty() || entries.back().number < start_)
    start_ = seq{};
  // Those before are not tried this time, so they keep what is behind them.
  for (const auto& x : entries) {
    if (x.number >= start_)
      break;
    held_.add(x);
  }
  next_ = start_;
}

void waiting_round::abandon() noexcept {
  all_ = nullptr;
  chunk_.clear();
  held_.clear();
}

void waiting_round::end() {
  start_ = seq{};
  abandon();
}

void waiting_round::add(std::vector<retried_event> events) {
  if (events.empty()) {
    end();
    return;
  }
  for (auto& x : events) {
    next_ = seq{x.raw.number.value + 1};
    auto entry = std::ranges::lower_bound(all_->entries(), x.raw.number, {},
                                          &waiting_entry::number);
    // What came in the meantime, or is not known: another time.
    if (entry == all_->entries().end() || entry->number != x.raw.number)
      continue;
    auto& to = chunk_.emplace_back(item{std::move(x), *entry, {}});
    to.touches = touches_of(*to.event.data, to.event.raw.record.at, writes_);
  }
  limit_ = std::max<std::size_t>(1, chunk_.size());
}

bool waiting_round::plan(const lane_row& row, flush& to) {
  std::size_t alive = 0;
  // Between those at hand, the ones that stay hold back what is behind them.
  waiting_set here;
  for (auto& x : chunk_) {
    x.flies = false;
    if (x.stays && broken(mutation::retry_held_behind))
      here.add(x.entry);
  }
  for (auto& x : chunk_) {
    if (x.stays) {
      here.add(x.entry);
      continue;
    }
    const auto& data = x.event.data;
    if (!x.dead && !data->rejects.empty()) {
      x.dead = true;
      // The record's bytes are whole here, whatever the mapping cuts.
      const auto& why = data->rejects.front();
      auto& record = x.event.raw.record;
      record.stage = why.stage;
      record.sqlstate = why.sqlstate;
      record.reason = why.reason;
    }
    if (x.dead) {
      x.flies = true;
      // The record alone: no row of it is written.
      auto record = std::make_shared<batch>();
      record->lane = row.lane;
      record->source = data->source;
      record->topic = data->topic;
      record->range = data->range;
      record->map_version = row.map_version;
      record->shape = row.shape;
      to.sources.push_back({std::move(record), offset{0}});
      to.sources.back().refused.push_back(x.event.raw.record);
      to.taken.push_back(x.event.raw.number);
      continue;
    }
    // Of another lane or shape by now, or behind one that stays.
    auto reshaped = data->shape != row.shape
                    && !broken(mutation::retry_reshaped);
    if (data->lane != row.lane || reshaped
        || data->map_version != row.map_version
        || ((held_.holds_back(x.touches) || here.holds_back(x.touches))
            && !broken(mutation::retry_overtakes))) {
      keep(x);
      here.add(x.entry);
      continue;
    }
    if (alive == limit_)
      break;
    ++alive;
    x.flies = true;
    to.sources.push_back({data, offset{0}});
    to.taken.push_back(x.event.raw.number);
  }
  if (to.taken.empty())
    pass();
  return !to.taken.empty();
}

/// All at hand stay.
void waiting_round::pass() {
  for (auto& x : chunk_)
    held_.add(std::move(x.entry));
  chunk_.clear();
}

void waiting_round::committed() {
  std::erase_if(chunk_, [](const item& x) { return x.flies; });
  limit_ = std::max<std::size_t>(1, std::min(2 * limit_, chunk_.size()));
}

int64_t waiting_round::dead() const noexcept {
  return std::ranges::count_if(chunk_,
                               [](const item& x) { return x.flies && x.dead; });
}

void waiting_round::keep(item& x) noexcept {
  x.stays = true;
  x.event.data.reset();
}

void waiting_round::fails(item& x, const std::string& sqlstate,
                          const std::string& reason) {
  if (!x.event.raw.expired && !broken(mutation::retry_impatient)) {
    keep(x);
    return;
  }
  x.dead = true;
  auto& record = x.event.raw.record;
  record.stage = reject_stage::waiting;
  record.sqlstate = sqlstate;
  record.reason = after_waiting(x.event.raw, reason);
}

void waiting_round::missing(const std::vector<missing_write>& which,
                            const std::string& reason,
                            const std::string& sqlstate) {
  count_failure();
  std::vector<item*> flown;
  for (auto& x : chunk_)
    if (x.flies)
      flown.push_back(&x);
  for (const auto& lacking : which) {
    if (lacking.source >= flown.size())
      continue;
    auto& x = *flown[lacking.source];
    if (!x.event.data || x.dead)
      continue;
    // Its mapping may have become stricter since it was put aside.
    if (!may_wait(*x.event.data, lacking.block, sqlstate))
      x.event.raw.expired = true;
    fails(x, sqlstate, reason);
  }
  if (failures_ >= max_failures)
    abandon();
}

void waiting_round::halve() noexcept {
  limit_ = std::max<std::size_t>(1, limit_ / 2);
}

bool waiting_round::waits_for_parents(const batch& data) const {
  for (std::size_t i = 0; i < std::min(data.blocks.size(), writes_.size()); ++i)
    if (data.blocks[i].rows() > 0
        && writes_[i].on_missing != missing_row::reject)
      return true;
  return false;
}

bool waiting_round::may_wait(const batch& data, std::size_t block,
                             const std::string& sqlstate) const {
  if (!sqlstate.empty())
    return waits_for_parents(data);
  return block >= writes_.size()
         || writes_[block].on_missing != missing_row::reject;
}

bool waiting_round::refused(const std::string& sqlstate,
                            const std::string& reason) {
  count_failure();
  auto alive = std::ranges::count_if(chunk_, [](const item& x) {
    return x.flies && !x.dead;
  });
  if (alive == 0)
    return false;
  if (alive > 1) {
    limit_ = static_cast<std::size_t>(alive) / 2;
  } else {
    auto bad = std::ranges::find_if(chunk_, [](const item& x) {
      return x.flies && !x.dead;
    });
    if (sqlstate == lacks_parent && waits_for_parents(*bad->event.data)) {
      fails(*bad, sqlstate, reason);
    } else {
      bad->dead = true;
      bad->event.raw.record.stage = reject_stage::store;
      bad->event.raw.record.sqlstate = sqlstate;
      bad->event.raw.record.reason = reason;
    }
  }
  if (failures_ >= max_failures)
    abandon();
  return true;
}

/// A round that has had enough leaves the rest to the next one.
void waiting_round::count_failure() {
  ++failures_;
  if (failures_ < max_failures)
    return;
  for (const auto& x : chunk_)
    if (x.event.data) {
      start_ = x.event.raw.number;
      return;
    }
  start_ = next_;
}

} // namespace millrace
