// The second half of a lane's core: what a flush takes from the queue, and
// what becomes of events that PostgreSQL refuses. The first half,
// lane_core.cpp, judges batches and outcomes.

#include "actors/lane/invariant.hpp"
#include "actors/lane/lane_core.hpp"
#include "actors/lane/mutation.hpp"
#include "actors/lane/parent_patience.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <utility>

namespace millrace {

namespace {

/// The first row or reject that is kept.
std::optional<offset> first_kept(const flush_source& x) {
  std::optional<offset> result;
  auto take = [&](offset at) {
    if (x.keeps(at) && (!result || at < *result))
      result = at;
  };
  for (const auto& block : x.data->blocks) {
    auto i = std::ranges::lower_bound(block.offsets, x.trim_below.value);
    if (i != block.offsets.end())
      take(offset{*i});
  }
  for (const auto& r : x.data->rejects)
    take(r.at);
  return result;
}

int64_t kept_rejects(const flush_source& x) {
  return static_cast<int64_t>(x.refused.size())
         + std::ranges::count_if(x.data->rejects, [&x](const reject& r) {
             return x.keeps(r.at);
           });
}

/// Events of the source; of a part they are estimated, without looking at
/// every row.
int64_t kept_events(const flush_source& x, const write_traits& writes) {
  const auto& data = *x.data;
  if (x.trim_below <= data.range.from && data.range.to <= x.keep_below)
    return data.events;
  auto rejects = kept_rejects(x);
  auto most = rejects;
  for (std::size_t i = 0; i < data.blocks.size(); ++i) {
    const auto& offsets = data.blocks[i].offsets;
    auto first = std::ranges::lower_bound(offsets, x.trim_below.value);
    auto last = std::ranges::lower_bound(offsets, x.keep_below.value);
    // Rejects have rows of writes that are made always, and of no others.
    auto apart = i < writes.size() && writes[i].always ? 0 : rejects;
    most = std::max(most, int64_t{last - first} + apart);
  }
  return std::min(data.events, most);
}

bool is_reject(const batch& data, offset at) {
  return std::ranges::binary_search(data.rejects, at, {}, &reject::at);
}

std::string describe(const batch& data, const reject& r,
                     const std::string& what) {
  return std::format("{} of {}/{} at offset {}: {}", to_string(r.stage),
                     data.topic, data.source.number.value, r.at.value, what);
}

} // namespace

// -- what is flushed ----------------------------------------------------------

void lane_core::plan(queue_prefix end) {
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
  flying_.clear();
  retrying_ = false;
  tally_ = {};
  std::size_t bytes = 0;
  std::deque<queued> left;
  for (std::size_t i = 0; !queue_.empty(); ++i) {
    auto& x = queue_.front();
    auto cut = i == end.whole ? end.cut : std::nullopt;
    if (i >= end.whole && !cut)
      break;
    // Rows below what is durable by now are dropped again (rule 12).
    auto trim = broken(mutation::no_trim_late)
                  ? x.trim_below
                  : std::max(x.trim_below, row_->effective(x.at));
    auto last = end_of(x);
    auto stays = last && *last <= start_of(x);
    if (last)
      cut = std::min(cut.value_or(*last), *last);
    auto more = stays ? 0 : size_bytes(*x.data);
    if (bytes > 0 && bytes + more > pace_.bytes())
      break;
    bytes += more;
    if (!stays && (!cut || *cut >= x.data->range.to)) {
      add_to_flight(x, trim);
      flying_.push_back(std::move(x));
      queue_.pop_front();
      continue;
    }
    if (!stays) {
      auto part = x;
      part.keep_below = *cut;
      x.trim_below = broken(mutation::neighbour_skipped) ? *cut + 1 : *cut;
      part.trim_below = trim;
      add_to_flight(part, trim);
      flying_.push_back(std::move(part));
    }
    left.push_back(std::move(x));
    queue_.pop_front();
  }
  queue_.insert(queue_.begin(), std::make_move_iterator(left.begin()),
                std::make_move_iterator(left.end()));
}

std::size_t lane_core::flown_bytes() const {
  std::size_t result = 0;
  for (const auto& x : flying_)
    result += size_bytes(*x.data);
  return result;
}

void lane_core::add_to_flight(const queued& x, offset trim) {
  auto& c = flight_.claim;
  auto& part = flight_.sources.emplace_back(
    flush_source{x.data, trim, x.keep_below, {}});
  if (culprit_ && culprit_->at == x.at && part.keeps(culprit_->letter.at)
      && x.data->range.contains(culprit_->letter.at)) {
    // A reject has its dead letter already.
    if (!is_reject(*x.data, culprit_->letter.at))
      part.refused.push_back(culprit_->letter);
    if (culprit_->silent)
      part.silent.push_back(culprit_->letter.at);
  }
  put_aside(x, part);
  offset_range range{x.data->range.from,
                     std::min(x.data->range.to, x.keep_below)};
  auto first = first_kept(part);
  auto same = std::ranges::find(c.ranges, x.at, &claim_range::at);
  if (same == c.ranges.end()) {
    auto old = row_->next_off[static_cast<std::size_t>(x.at.value)];
    c.ranges.push_back({x.at, old, range, first});
  } else {
    require(range.from <= same->range.to,
            "the ranges of a flush follow each other");
    same->range.to = range.to;
    if (!same->first_event)
      same->first_event = first;
  }
  auto rejects = kept_rejects(part);
  c.seqs += rejects + std::ssize(part.waiting);
  tally_.rejects += rejects;
  tally_.events += kept_events(part, writes_);
}

/// How much of the queue the next flush may take, but for its bytes.
queue_prefix lane_core::how_far() {
  if (culprit_)
    if (auto end = up_to_culprit())
      return *end;
  if (suspects_.active())
    if (auto end = suspects_.next(parts(queue_)))
      return *end;
  return {queue_.size(), std::nullopt};
}

/// Up to the culprit and no further, so that the bytes of only one record are
/// ever kept. Nothing when it is not in the queue any more.
std::optional<queue_prefix> lane_core::up_to_culprit() {
  auto bad = culprit_->letter.at;
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    const auto& x = queue_[i];
    auto trim = std::max(x.trim_below, row_->effective(x.at));
    if (x.at != culprit_->at || bad < trim || !x.data->range.contains(bad))
      continue;
    auto rest
      = events_with_rows({x.data.get(), x.at, bad + 1, x.data->range.to});
    if (rest.empty())
      return queue_prefix{i + 1, std::nullopt};
    return queue_prefix{i, bad + 1};
  }
  culprit_.reset();
  return std::nullopt;
}

/// Shortens `end` to what comes before a reject that halts the lane, so that
/// it stands at the very record. False when nothing does: it is halted then.
bool lane_core::stop_before_halt(queue_prefix& end) {
  for (std::size_t i = 0; i < queue_.size() && i <= end.whole; ++i) {
    const auto& x = queue_[i];
    const auto& data = *x.data;
    auto from
      = std::max({x.trim_below, row_->effective(x.at), data.range.from});
    auto bad = std::ranges::find_if(data.rejects, [from](const reject& r) {
      return r.halts && r.at >= from;
    });
    if (bad == data.rejects.end())
      continue;
    if (i == end.whole && (!end.cut || *end.cut <= bad->at))
      break;
    if (i == 0 && bad->at == from) {
      halt_before(data, *bad);
      return false;
    }
    end = {i, bad->at > from ? std::optional{bad->at} : std::nullopt};
    break;
  }
  return true;
}

void lane_core::halt_before(const batch& data, const reject& r) {
  halt(lane_halt::oversized,
       std::format("{}; limits.oversized = \"halt\": raise "
                   "limits.max_record_bytes, or set oversized to \"cut\" or "
                   "\"keep\", and restart; or pass the record over with "
                   "'millrace lanes skip {} --topic {} --partition {} --to {}'",
                   describe(data, r, r.reason), to_string(id_), data.topic,
                   data.source.number.value, r.at.value + 1));
}

std::vector<batch_part> lane_core::parts(const std::deque<queued>& xs) const {
  std::vector<batch_part> result;
  for (const auto& x : xs)
    result.push_back({x.data.get(), x.at,
                      std::max(x.trim_below, row_->effective(x.at)),
                      std::min(x.data->range.to, x.keep_below)});
  return result;
}

// -- what is refused ----------------------------------------------------------

/// Events of the flight that sent no row, not even one that is always made.
std::vector<bisection::event> lane_core::left_out_of_flight() const {
  std::vector<bisection::event> result;
  for (std::size_t i = 0; i < flying_.size(); ++i) {
    const auto& source = flight_.sources[i];
    for (auto at : left_out(source, false))
      if (!has_constant_rows(*source.data, at))
        result.push_back({flying_[i].at, at});
    for (auto at : source.silent)
      result.push_back({flying_[i].at, at});
  }
  return result;
}

/// Rows of writes that are made always.
bool lane_core::has_constant_rows(const batch& data, offset at) const {
  for (std::size_t i = 0; i < std::min(data.blocks.size(), writes_.size()); ++i)
    if (writes_[i].always
        && std::ranges::binary_search(data.blocks[i].offsets, at.value))
      return true;
  return false;
}

void lane_core::data_refused(data_refusal why) {
  require(phase_ == phase::flying && row_, "an outcome is that of a flight");
  phase_ = phase::ready;
  if (retrying_) {
    // Broken off when a connection was lost meanwhile: no verdict counts.
    if (round_.active() && !round_.refused(why.sqlstate, why.reason))
      halt(lane_halt::data, why.sqlstate + ": " + why.message);
    return;
  }
  // From the flight itself: a reconnect may have voided the verdict meanwhile.
  auto found = suspects_.narrow(parts(flying_), left_out_of_flight());
  if (found.events == 0) {
    // No row was sent: whatever was refused, it is no event.
    halt(lane_halt::data, why.sqlstate + ": " + why.message);
    return;
  }
  // Others are at fault by now, and flushes that end behind it find none.
  if (found.events > 1)
    culprit_.reset();
  if (found.events <= (broken(mutation::early_culprit) ? 2 : 1)) {
    suspects_.clear();
    auto from = std::ranges::find_if(flying_, [&found](const queued& x) {
      return x.at == found.at && x.data->range.contains(found.last)
             && x.trim_below <= found.last;
    });
    require(from != flying_.end(), "the culprit is in the flight");
    // What is left out already has sent rows that are always made, and so has
    // a reject.
    const auto& source
      = flight_.sources[static_cast<std::size_t>(from - flying_.begin())];
    auto is_dead = is_reject(*from->data, found.last);
    auto silent = is_dead
                  || std::ranges::contains(left_out(source, false), found.last);
    if (culprit_ && culprit_->at == found.at
        && culprit_->letter.at == found.last) {
      culprit_->silent = true;
      land();
      return;
    }
    if (!silent && why.sqlstate == lacks_parent
        && may_wait(*from->data, found.last)) {
      lacking_[{found.at, found.last}] = {missing_row::wait, why.sqlstate,
                                          why.reason};
      land();
      return;
    }
    culprit_.emplace();
    culprit_->at = found.at;
    culprit_->source = from->data->source;
    culprit_->message = std::move(why.message);
    culprit_->silent = silent;
    culprit_->fetched = is_dead;
    auto& letter = culprit_->letter;
    letter.at = found.last;
    letter.stage = reject_stage::store;
    letter.sqlstate = std::move(why.sqlstate);
    letter.reason = std::move(why.reason);
  }
  land();
}

wanted_record lane_core::wanted() const {
  require(phase_ == phase::fetching && wanted_, "a record is wanted");
  return *wanted_;
}

void lane_core::fetched(const record_copy& raw) {
  require(phase_ == phase::fetching, "a record answers one that was wanted");
  phase_ = phase::ready;
  auto what = std::exchange(wanted_, std::nullopt);
  if (!what)
    return;
  // Who wanted it may have been forgotten when the connection was lost.
  for (const auto& x : waiters_)
    if (x.source == what->source && x.id.second == what->at)
      records_[x.id] = raw;
  if (!culprit_ || culprit_->source != what->source
      || culprit_->letter.at != what->at)
    return;
  culprit_->fetched = true;
  auto& letter = culprit_->letter;
  if (!raw.found) {
    letter.reason += "; without key, headers and value, because the topic "
                     "does not have the record any more";
    return;
  }
  letter.has_key = raw.has_key;
  letter.has_value = raw.has_value;
  letter.key = raw.key;
  letter.value = raw.value;
  letter.headers = raw.headers;
  letter.timestamp_ms = raw.timestamp_ms;
}

// -- the breaker --------------------------------------------------------------

void lane_core::check_breaker() {
  if (!breaker_.would_trip(tally_))
    return;
  auto all = breaker_.seen(tally_);
  auto first = breaker_.first();
  if (first.empty())
    first = about_first_reject();
  halt(lane_halt::rejects,
       std::format("{} of the last {} events are rejects, and "
                   "max_reject_ratio = {} allows {}; the first: {}",
                   all.rejects, all.events, breaker_.ratio(),
                   static_cast<int64_t>(breaker_.ratio()
                                        * static_cast<double>(std::max(
                                          reject_breaker::window, all.events))),
                   first));
}

std::string lane_core::about_first_reject() const {
  for (const auto& x : flight_.sources) {
    for (const auto& r : x.data->rejects)
      if (x.keeps(r.at))
        return describe(*x.data, r, r.reason);
    // What PostgreSQL says of the row may quote it.
    for (const auto& r : x.refused)
      return describe(*x.data, r,
                      culprit_ && culprit_->letter.at == r.at
                        ? r.sqlstate + ": " + culprit_->message
                      : r.sqlstate.empty() ? r.reason
                                           : r.sqlstate);
  }
  return {};
}

} // namespace millrace
