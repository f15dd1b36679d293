// The third part of a lane's core: which events are put aside until what they
// need is there, and how they are tried again (protocol.md, section 4).

#include "actors/lane/invariant.hpp"
#include "actors/lane/lane_core.hpp"
#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <utility>

namespace millrace {

namespace {

/// Per flush: the bytes of so many records are kept at a time.
constexpr std::size_t max_waiters = 64;
constexpr std::size_t max_record_bytes = std::size_t{8} << 20;

int64_t bytes_of(const reject& x) {
  return std::ssize(x.key) + std::ssize(x.value) + std::ssize(x.headers);
}

std::size_t bytes_of(const record_copy& x) {
  return x.key.size() + x.value.size() + x.headers.size();
}

void fill(reject& to, const record_copy& from) {
  if (!from.found) {
    to.reason += "; without key, headers and value, because the topic does not "
                 "have the record any more";
    return;
  }
  to.has_key = from.has_key;
  to.has_value = from.has_value;
  to.key = from.key;
  to.value = from.value;
  to.headers = from.headers;
  to.timestamp_ms = from.timestamp_ms;
}

} // namespace

// -- putting aside ------------------------------------------------------------

void lane_core::rows_missing(const std::vector<missing_write>& which,
                             const std::string& reason,
                             const std::string& sqlstate) {
  require(phase_ == phase::flying && row_, "an outcome is that of a flight");
  phase_ = phase::ready;
  if (retrying_) {
    round_.missing(which, reason, sqlstate);
    return;
  }
  auto known = lacking_.size();
  for (const auto& x : which) {
    if (x.source >= flying_.size() || x.block >= writes_.size())
      continue;
    auto policy = writes_[x.block].on_missing;
    // Where a parent is missing, it is the event that may wait or not.
    if (!sqlstate.empty())
      policy = may_wait(*flying_[x.source].data, x.at) ? missing_row::wait
                                                       : missing_row::reject;
    auto& to = lacking_[{flying_[x.source].at, x.at}];
    // Of several the strictest counts.
    if (to.reason.empty() || policy == missing_row::reject)
      to = {policy, sqlstate, reason};
  }
  if (lacking_.size() == known) {
    halt(lane_halt::data,
         "rows are missing, but no event lacks one: " + reason);
    return;
  }
  land();
}

/// Whether the event waits for a row that a foreign key names.
bool lane_core::may_wait(const batch& data, offset at) const {
  for (std::size_t i = 0; i < std::min(data.blocks.size(), writes_.size()); ++i)
    if (writes_[i].on_missing != missing_row::reject && !writes_[i].always
        && std::ranges::binary_search(data.blocks[i].offsets, at.value))
      return true;
  return false;
}

/// Which events of the next flush are put aside: those that lack rows, and
/// those that would overtake a waiting one. The flush ends behind the last of
/// them when they are many.
void lane_core::find_waiters(queue_prefix& end) {
  waiters_.clear();
  if (waiting_.empty() && lacking_.empty())
    return;
  waiting_set fresh;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    if (i > end.whole || (i == end.whole && !end.cut))
      break;
    if (auto last = end_of(queue_[i]); last && *last <= start_of(queue_[i]))
      continue;
    auto more = size_bytes(*queue_[i].data);
    if (bytes > 0 && bytes + more > pace_.bytes())
      break;
    bytes += more;
    if (!find_waiters(end, i, fresh))
      break;
  }
}

/// Those of one batch. False when there is no room for more.
bool lane_core::find_waiters(queue_prefix& end, std::size_t i,
                             waiting_set& fresh) {
  const auto& x = queue_[i];
  batch_part part{x.data.get(), x.at,
                  std::max(x.trim_below, row_->effective(x.at)),
                  x.data->range.to};
  if (i == end.whole && end.cut)
    part.to = std::min(part.to, *end.cut);
  if (auto last = end_of(x))
    part.to = std::min(part.to, *last);
  std::size_t record_bytes = 0;
  for (const auto& [id, record] : records_)
    record_bytes += bytes_of(record);
  for (auto at : events_with_rows(part)) {
    event_id id{x.at, offset{at}};
    if (culprit_ && culprit_->at == x.at && culprit_->letter.at == id.second)
      continue;
    auto found = judge_waiting(id, *x.data, fresh);
    if (!found)
      continue;
    if (!found->dead) {
      auto record = records_.find(id);
      auto size = record == records_.end() ? 0 : bytes_of(record->second);
      fresh.add({seq{std::ssize(waiters_)}, static_cast<int64_t>(size),
                 found->touches});
    }
    waiters_.push_back(std::move(*found));
    if (waiters_.size() < max_waiters
        && (record_bytes < max_record_bytes || records_.contains(id)))
      continue;
    auto rest = events_with_rows({x.data.get(), x.at, id.second + 1, part.to});
    if (!rest.empty())
      end = {i, id.second + 1};
    else if (i < end.whole)
      end = {i + 1, std::nullopt};
    return false;
  }
  return true;
}

std::optional<lane_core::waiter>
lane_core::judge_waiting(const event_id& id, const batch& data,
                         const waiting_set& fresh) const {
  auto touches = touches_of(data, id.second, writes_);
  auto lacks = lacking_.find(id);
  waiter result{id, data.source, {}, remembered(touches)};
  if (lacks != lacking_.end())
    result.why = lacks->second;
  else if ((waiting_.holds_back(touches)
            && !broken(mutation::waiting_overtaken))
           || (fresh.holds_back(touches) && !broken(mutation::fresh_overtaken)))
    result.why.reason = "an earlier event that waits writes the same row";
  else
    return std::nullopt;
  auto record = records_.find(id);
  if (result.why.policy == missing_row::reject) {
    result.dead = true;
  } else if (record != records_.end() && !record->second.found) {
    result.dead = true;
    result.why.reason = "cannot wait: " + result.why.reason;
  } else if (auto size = record == records_.end()
                           ? int64_t{0}
                           : static_cast<int64_t>(bytes_of(record->second));
             waiting_.size() + fresh.size() >= limits_.waiting_events
             || waiting_.bytes() + fresh.bytes() + size
                  > limits_.waiting_bytes) {
    result.dead = true;
    result.why.reason = std::format(
      "cannot wait, because {} events of {} bytes in the lane do already: {}",
      waiting_.size() + fresh.size(), waiting_.bytes() + fresh.bytes(),
      result.why.reason);
  }
  return result;
}

const lane_core::waiter* lane_core::first_without_record() const {
  auto i = std::ranges::find_if(waiters_, [this](const waiter& x) {
    return !records_.contains(x.id);
  });
  return i == waiters_.end() ? nullptr : &*i;
}

/// Puts the events of one batch aside that were found before.
void lane_core::put_aside(const queued& x, flush_source& to) {
  for (const auto& w : waiters_) {
    if (w.id.first != x.at || !to.keeps(w.id.second)
        || !x.data->range.contains(w.id.second))
      continue;
    waiting_letter letter;
    letter.record.at = w.id.second;
    letter.record.stage = w.why.policy == missing_row::reject
                            ? reject_stage::store
                            : reject_stage::waiting;
    letter.record.sqlstate = w.why.sqlstate;
    letter.record.reason = w.why.reason;
    fill(letter.record, records_.at(w.id));
    letter.touches = w.touches;
    if (w.dead)
      to.refused.push_back(std::move(letter.record));
    else
      to.waiting.push_back(std::move(letter));
  }
  std::ranges::sort(to.refused, {}, &reject::at);
}

// -- trying again -------------------------------------------------------------

void lane_core::expect_waiting() {
  if (row_)
    return;
  knows_waiting_ = true;
  retry_due_ = true;
}

void lane_core::retry_waiting() {
  retry_due_ = knows_waiting_ || !waiting_.empty();
}

/// The next step of a try, if one is on or due.
bool lane_core::retry_step(lane_step& to) {
  if (waiting_.empty()) {
    round_.abandon();
    retry_due_ = false;
    return false;
  }
  if (!round_.active() && std::exchange(retry_due_, false))
    round_.begin(waiting_);
  while (round_.active()) {
    turn_of_batches_ = true;
    if (round_.wants_more()) {
      phase_ = phase::reading_waiting;
      to = lane_step::read_waiting;
      return true;
    }
    plan_retry();
    if (flight_.taken.empty())
      continue;
    phase_ = phase::flying;
    to = lane_step::flush;
    return true;
  }
  return false;
}

void lane_core::plan_retry() {
  flight_.claim = {.lane = id_,
                   .epoch = epoch_,
                   .owner = owner_,
                   .next_seq = row_->next_seq,
                   .seqs = 1,
                   .map_version = row_->map_version,
                   .shape = row_->shape,
                   .ranges = {}};
  flight_.sources.clear();
  flight_.taken.clear();
  tally_ = {};
  retrying_ = true;
  round_.plan(*row_, flight_);
  if (!broken(mutation::retry_uncounted))
    flight_.claim.seqs += round_.dead();
}

void lane_core::waiting_read(std::vector<retried_event> events) {
  require(phase_ == phase::reading_waiting, "events answer a question");
  phase_ = phase::ready;
  // Broken off when the connection was lost meanwhile.
  if (round_.active())
    round_.add(std::move(events));
}

void lane_core::committed_waiting() {
  for (auto number : flight_.taken)
    waiting_.remove(number);
  released_ += std::ssize(flight_.taken);
  if (retrying_ && round_.active())
    round_.committed();
  auto next = first_waiting(flight_);
  for (const auto& source : flight_.sources)
    for (const auto& x : source.waiting) {
      if (!broken(mutation::aside_forgotten))
        waiting_.add({next, bytes_of(x.record), x.touches});
      next.value += 1;
    }
  auto passed = [this](const auto& x) {
    return x.first.second < row_->effective(x.first.first);
  };
  std::erase_if(lacking_, passed);
  std::erase_if(records_, passed);
  knows_waiting_ = !waiting_.empty();
}

void lane_core::forget_waiting() {
  round_.abandon();
  waiting_.clear();
  retry_due_ = false;
}

} // namespace millrace
