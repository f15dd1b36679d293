#include "actors/lane/lane_core.hpp"

#include "actors/lane/invariant.hpp"
#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// A refusal means that the row or a floor moved; each reload takes that in.
/// More in a row than this can only be a defect, and must not spin.
constexpr int max_refusals = 16;

} // namespace

std::string to_string(lane_halt x) {
  switch (x) {
    case lane_halt::none:
      return "none";
    case lane_halt::by_row:
      return "halted by its row";
    case lane_halt::row_missing:
      return "row missing";
    case lane_halt::data:
      return "data refused";
    case lane_halt::stuck:
      return "claim refused without a reason";
    case lane_halt::rejects:
      return "too many events rejected";
    case lane_halt::oversized:
      return "record too large";
  }
  return "unknown";
}

lane_core::lane_core(lane_id id, lane_limits limits, write_traits writes)
  : id_{std::move(id)},
    limits_{limits},
    breaker_{limits.max_reject_ratio},
    writes_{std::move(writes)},
    round_{writes_},
    pace_{limits.flush_bytes, limits.flush_time} {
}

// -- input --------------------------------------------------------------------

void lane_core::receive(batch_ptr data, slot at, origin from) {
  queued x{std::move(data), at, offset{0}, from};
  if (halt_ != lane_halt::none) {
    reply(lane_reply::kind::hand_back, x, x.data->range.from);
    return;
  }
  auto bytes = size_bytes(*x.data);
  if (queued_bytes_ > 0 && queued_bytes_ + bytes > limits_.queue_bytes) {
    ++dropped_;
    if (broken(mutation::dropped_acked))
      reply(lane_reply::kind::ack, x, x.data->range.to);
    return;
  }
  queued_bytes_ += bytes;
  // While the row is being read again, a verdict from the old one would be
  // void; behind a batch that waits for it, order must be kept.
  auto waits = reload_ || in_doubt_ || !unjudged_.empty();
  if (!row_ || (waits && !broken(mutation::no_wait_for_row)))
    unjudged_.push_back(std::move(x));
  else
    judge(std::move(x), false);
}

void lane_core::took_over(lane_row row) {
  require(phase_ == phase::busy && !row_,
          "a takeover answers one that was asked for");
  phase_ = phase::ready;
  owner_ = row.owner;
  epoch_ = row.epoch;
  in_doubt_ = false;
  adopt(std::move(row));
}

void lane_core::loaded(std::optional<lane_row> row) {
  require(phase_ == phase::busy, "a load answers one that was asked for");
  phase_ = phase::ready;
  // A reconnect since the question was asked: the answer may be from before.
  if (std::exchange(stale_answer_, false) && !broken(mutation::stale_answer))
    return;
  reload_ = false;
  in_doubt_ = false;
  if (!row) {
    halt(lane_halt::row_missing, "no row in millrace.lane for this lane");
    return;
  }
  if (row->owner != owner_ || row->epoch != epoch_) {
    refusals_ = 0;
    forget_row();
    ++attempts_;
    return;
  }
  adopt(std::move(*row));
}

void lane_core::step_failed() {
  if (phase_ == phase::fetching || phase_ == phase::reading_waiting) {
    phase_ = phase::ready;
    return;
  }
  require(phase_ == phase::busy, "a load answers one that was asked for");
  stale_answer_ = false;
  // Nothing read before a broken connection counts (I4).
  if (row_) {
    phase_ = phase::ready;
    reload_ = true;
  } else {
    phase_ = phase::cold;
  }
}

void lane_core::committed(std::chrono::microseconds took) {
  require(phase_ == phase::flying && row_, "an outcome is that of a flight");
  phase_ = phase::ready;
  passed_orphan_ = false;
  attempts_ = refusals_ = 0;
  if (!retrying_)
    pace_.committed(flown_bytes(), took);
  row_->next_seq.value += flight_.claim.seqs;
  for (const auto& x : flight_.claim.ranges) {
    auto& at = row_->next_off[static_cast<std::size_t>(x.at.value)];
    require(at == x.old_next && x.range.to > row_->effective(x.at),
            "a commit moves offsets on (I2)");
    at = x.range.to;
    passed_orphan_ = orphans_.passed(x.at, at) || passed_orphan_;
  }
  if (!retrying_)
    breaker_.count(tally_, tally_.rejects > 0 ? about_first_reject() : "");
  for (const auto& x : flying_) {
    if (!x.is_part())
      queued_bytes_ -= size_bytes(*x.data);
    reply(lane_reply::kind::ack, x, std::min(x.data->range.to, x.keep_below));
    if (culprit_ && culprit_->at == x.at
        && culprit_->letter.at < row_->effective(x.at))
      culprit_.reset();
  }
  committed_waiting();
  flight_.sources.clear();
  flying_.clear();
  if (!retrying_)
    ends_.clear();
}

void lane_core::refused() {
  require(phase_ == phase::flying, "an outcome is that of a flight");
  phase_ = phase::ready;
  reload_ = true;
  if (++refusals_ > max_refusals)
    halt(lane_halt::stuck, "the claim was refused " + std::to_string(refusals_)
                             + " times, but the row gives no reason");
}

void lane_core::lost() {
  require(phase_ == phase::flying, "an outcome is that of a flight");
  if (broken(mutation::doubt_failed))
    return retry();
  if (broken(mutation::doubt_committed))
    return committed();
  phase_ = phase::ready;
  in_doubt_ = true;
  forget_verdicts();
}

void lane_core::retry() {
  require(phase_ == phase::flying, "an outcome is that of a flight");
  phase_ = phase::ready;
  land();
}

void lane_core::retry_smaller() {
  if (retrying_) {
    round_.halve();
    retry();
    return;
  }
  pace_.timed_out(flown_bytes());
  // One batch is halved by its events.
  if (flying_.size() == 1)
    suspects_.narrow(parts(flying_), left_out_of_flight());
  retry();
}

void lane_core::reconnected() {
  // A flight has its own outcome, and a takeover's epoch would be refused.
  if (row_ && !broken(mutation::reconnect_keeps_row)) {
    round_.abandon();
    reload_ = true;
    stale_answer_ = phase_ == phase::busy;
    forget_verdicts();
  }
}

void lane_core::halt(lane_halt why, std::string reason) {
  require(why != lane_halt::none, "a halt has a reason");
  phase_ = phase::cold;
  halt_ = why;
  halt_reason_ = std::move(reason);
  hand_back_all();
  forget_waiting();
  row_.reset();
  reload_ = stale_answer_ = false;
  in_doubt_ = false;
}

void lane_core::resume() {
  if (halt_ == lane_halt::none)
    return;
  halt_ = lane_halt::none;
  halt_reason_.clear();
  phase_ = phase::cold;
  attempts_ = refusals_ = 0;
  breaker_.clear();
}

// -- output -------------------------------------------------------------------

lane_step lane_core::next_step() {
  if (halt_ != lane_halt::none
      || (phase_ != phase::cold && phase_ != phase::ready))
    return lane_step::none;
  if (!row_) {
    // A takeover happens at the first batch, not at boot (rule 11), or when
    // waiting events are due.
    if (unjudged_.empty() && !(knows_waiting_ && retry_due_))
      return lane_step::none;
    phase_ = phase::busy;
    return lane_step::take_over;
  }
  if (in_doubt_ || reload_) {
    phase_ = phase::busy;
    auto locks = in_doubt_ && !broken(mutation::doubt_unlocked);
    return locks ? lane_step::resolve : lane_step::load;
  }
  if (lane_step step; (queue_.empty() || !turn_of_batches_) && retry_step(step))
    return step;
  turn_of_batches_ = false;
  if (queue_.empty())
    return lane_step::none;
  wanted_.reset();
  if (culprit_ && up_to_culprit() && !culprit_->fetched
      && !broken(mutation::fetch_skipped)) {
    wanted_ = {culprit_->source, culprit_->letter.at};
    phase_ = phase::fetching;
    return lane_step::fetch;
  }
  auto end = how_far();
  if (!stop_before_halt(end))
    return lane_step::none;
  find_waiters(end);
  if (const auto* x = first_without_record()) {
    wanted_ = {x->source, x->id.second};
    phase_ = phase::fetching;
    return lane_step::fetch;
  }
  plan(end);
  // All of it comes behind orphans by now.
  if (flying_.empty() && !ends_.empty()) {
    ends_.clear();
    return next_step();
  }
  check_breaker();
  if (flying_.empty())
    return lane_step::none;
  phase_ = phase::flying;
  return lane_step::flush;
}

std::vector<addressed_reply> lane_core::take_replies() {
  return std::exchange(replies_, {});
}

const flush& lane_core::flight() const {
  require(phase_ == phase::flying, "an outcome is that of a flight");
  return flight_;
}

// -- decisions ----------------------------------------------------------------

void lane_core::adopt(lane_row row) {
  row_ = std::move(row);
  if (row_->state != lane_state::active) {
    halt(lane_halt::by_row,
         "millrace.lane says state = '" + to_string(row_->state) + "'");
    return;
  }
  round_.abandon();
  auto waiting = std::exchange(row_->waiting, {});
  if (broken(mutation::waiting_unloaded))
    waiting.clear();
  waiting_.assign(std::move(waiting));
  knows_waiting_ = !waiting_.empty();
  judge_all_again();
}

void lane_core::forget_row() {
  forget_waiting();
  // What is queued stays: it is judged by the row of the next takeover.
  unjudged_ = take_all();
  row_.reset();
  phase_ = phase::cold;
  forget_verdicts();
}

void lane_core::forget_verdicts() noexcept {
  // Another server may take what this one has refused (I4).
  suspects_.clear();
  culprit_.reset();
  lacking_.clear();
  records_.clear();
}

/// What flew is queued again, ahead of what came later.
void lane_core::land() {
  ends_.clear();
  // A part and the rest of its batch, which is in the queue, are one again.
  for (const auto& x : flying_)
    if (x.is_part())
      std::ranges::find(queue_, x.data, &queued::data)->trim_below
        = x.trim_below;
  std::erase_if(flying_, [](const queued& x) { return x.is_part(); });
  auto ahead = broken(mutation::retry_reordered) ? queue_.end()
                                                 : queue_.begin();
  queue_.insert(ahead, std::make_move_iterator(flying_.begin()),
                std::make_move_iterator(flying_.end()));
  flying_.clear();
}

/// All batches in their order, none of them judged.
std::deque<lane_core::queued> lane_core::take_all() {
  land();
  auto result = std::exchange(queue_, {});
  std::ranges::move(unjudged_, std::back_inserter(result));
  unjudged_.clear();
  tails_.clear();
  return result;
}

void lane_core::hand_back_all() {
  for (const auto& x : take_all())
    reply(lane_reply::kind::hand_back, x, x.data->range.from);
  nacks_.clear();
  forget_verdicts();
  queued_bytes_ = 0;
}

// -- helpers ------------------------------------------------------------------

bool lane_core::owes(origin x) const noexcept {
  auto has = [x](const std::deque<queued>& xs) {
    return std::ranges::contains(xs, x, &queued::from);
  };
  return has(flying_) || has(queue_) || has(unjudged_);
}

void lane_core::reply(lane_reply::kind what, const queued& x, offset at) {
  replies_.push_back({{what, x.data->source, at, x.data->rewind}, x.from});
}

} // namespace millrace
