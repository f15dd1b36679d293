// The second half of a partition cursor: what lanes and the database answer,
// and the floor. The first half, partition_cursor.cpp, assigns and reads.

#include "actors/lane/invariant.hpp"
#include "actors/lane/mutation.hpp"
#include "actors/lane/partition_cursor.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Each is a takeover and a claim, which must not take longer than `resync`.
constexpr std::size_t moved_at_once = 16;

} // namespace

// -- answers ------------------------------------------------------------------

void partition_cursor::ack(std::size_t lane, offset to, clock::time_point now) {
  auto& x = lanes_[lane];
  // An ack from before a rewind may name an offset beyond the cut: it is true
  // all the same, but what lies between is on its way again.
  x.acked = std::max(x.acked, std::min(to, x.cut));
  x.moved = x.acked_at = now;
  while (!x.lent.empty() && x.lent.front().to <= to) {
    x.lent_bytes -= x.lent.front().bytes;
    x.lent.pop_front();
  }
}

bool partition_cursor::would_rewind(std::size_t lane, offset expected,
                                    rewind number) const noexcept {
  const auto& x = lanes_[lane];
  return x.mode != lane_mode::inactive
         && (number == x.number || broken(mutation::rewind_ignored))
         && expected < x.cut;
}

bool partition_cursor::nack(std::size_t lane, offset expected, rewind number,
                            clock::time_point now, std::optional<bool> back) {
  if (!would_rewind(lane, expected, number))
    return false;
  auto& x = lanes_[lane];
  auto before = position_;
  auto kept = std::exchange(x.lent, {});
  send_again(lane, expected, back.value_or(goes_back(lane)));
  // The writer has what is below, but it is not durable: should that be lost,
  // no later batch may come to show it, so its ack stays due.
  for (const auto& sent : kept)
    if (sent.to <= expected && sent.to > x.acked) {
      x.lent.push_back(sent);
      x.lent_bytes += sent.bytes;
    }
  if (x.acked < expected && (x.lent.empty() || x.lent.back().to < expected))
    x.lent.push_back({expected, 0});
  x.moved = now;
  return position_ < before;
}

bool partition_cursor::goes_back(std::size_t lane) const noexcept {
  const auto& x = lanes_[lane];
  return x.mode == lane_mode::attached && pays_to_go_back(x.recent);
}

void partition_cursor::read_again(std::size_t lane) {
  require(lanes_[lane].mode == lane_mode::attached,
          "the main reading reads again for its own lanes");
  position_ = std::min(position_, lanes_[lane].cut);
}

void partition_cursor::handed_back(std::size_t lane, rewind number) noexcept {
  auto& x = lanes_[lane];
  if (number == x.number)
    x.overdue = true;
}

void partition_cursor::distrust(std::size_t lane) noexcept {
  auto& x = lanes_[lane];
  x.overdue = !x.lent.empty();
}

bool partition_cursor::needs_resync(clock::time_point now) const noexcept {
  return std::ranges::any_of(lanes_, [&](const lane_cursor& x) {
    return x.mode != lane_mode::inactive
           && (x.overdue
               || (!x.lent.empty() && now - x.moved > limits_.resync));
  });
}

std::vector<offset> partition_cursor::acks() const {
  std::vector<offset> result;
  result.reserve(lanes_.size());
  for (const auto& x : lanes_)
    result.push_back(x.acked);
  return result;
}

bool partition_cursor::audit(const partition_view& view, clock::time_point now,
                             std::span<const offset> acks_then) {
  require(view.lanes.size() == lanes_.size(),
          "a view lists the consumer's lanes");
  if (!follow_floor(view.floor, view.token, view.map_version, view.halted)) {
    needs_assign_ = true;
    return false;
  }
  require(acks_then.empty() || acks_then.size() == lanes_.size(),
          "acks are those of the consumer's lanes");
  if (broken(mutation::no_resync))
    return false;
  auto blind = !holds_floor_ && broken(mutation::frozen_blind);
  std::vector<std::size_t> again;
  double again_bytes = 0;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto& seen = view.lanes[i];
    auto& x = lanes_[i];
    if (seen.state != lane_state::active) {
      deactivate(i);
      continue;
    }
    if (x.mode == lane_mode::inactive) {
      // A lane whose loss is not in its row yet has not been resumed.
      if (!x.lost || seen.effective != x.acked)
        resume(i, seen.effective);
      continue;
    }
    if (x.mode == lane_mode::attached && seen.effective < start_ && !blind) {
      needs_assign_ = true;
      return false;
    }
    // An ack from before a failover is void (rule 9b).
    auto now_told = acks_then.empty() || broken(mutation::late_view);
    auto told = now_told ? x.acked : std::min(x.acked, acks_then[i]);
    auto void_ack = seen.effective < told && !blind;
    auto overdue = x.overdue
                   || (!x.lent.empty() && now - x.moved > limits_.resync);
    if (!void_ack && !overdue)
      continue;
    x.overdue = false;
    x.acked = seen.effective;
    if (seen.effective >= x.cut) {
      ack(i, x.cut, now);
    } else {
      again.push_back(i);
      if (x.mode == lane_mode::attached)
        again_bytes += x.recent;
    }
  }
  auto before = position_;
  auto back = pays_to_go_back(again_bytes);
  for (auto i : again)
    send_again(i, view.lanes[i].effective, back);
  // What was met beyond the old barrier was dropped.
  auto goes_on = heed_change(view);
  return position_ < before || goes_on;
}

// -- changes of the map -------------------------------------------------------

/// True when the main reading may go further than before.
bool partition_cursor::heed_change(const partition_view& view) {
  auto before = ceiling(reading_kind::main);
  auto planned = barrier_.has_value();
  // After a failover it may be less than before, and than what was read.
  until_ = view.until.transform(
    [this](offset end) { return std::max(end, position_); });
  if (broken(mutation::end_unseen))
    until_.reset();
  if (!view.changing) {
    barrier_.reset();
  } else {
    auto to = std::max(position_, barrier_.value_or(position_));
    for (const auto& x : view.lanes)
      to = std::max(to, x.effective);
    // A position that went back: no floor of ours comes to a barrier that
    // lanes were touched beyond.
    for (const auto& x : lanes_)
      to = std::max(to, x.touched);
    barrier_ = to;
  }
  auto now = ceiling(reading_kind::main);
  // The end of a backfill goes on ahead of it, and has dropped nothing then.
  auto met = before && (planned || position_ >= *before);
  return met && (!now || *before < *now);
}

bool partition_cursor::is_stuck_at_barrier() const noexcept {
  return ceiling(reading_kind::main) == position_ && !holds_floor_
         && std::ranges::all_of(lanes_, [](const lane_cursor& x) {
              return x.mode == lane_mode::attached && x.lent.empty();
            });
}

offset partition_cursor::committed_hint() const noexcept {
  // An attached lane without unacknowledged batches holds nothing back.
  auto result = position_;
  for (const auto& x : lanes_) {
    if (x.mode == lane_mode::inactive)
      continue;
    if (!x.lent.empty())
      result = std::min(result, x.acked);
    else if (x.mode != lane_mode::attached)
      result = std::min(result, x.cut);
  }
  return result;
}

void partition_cursor::send_again(std::size_t lane, offset from, bool back) {
  auto& x = lanes_[lane];
  x.cut = from;
  x.acked = std::min(x.acked, from);
  if (!broken(mutation::rewind_kept))
    ++x.number.value;
  x.lent.clear();
  x.lent_bytes = 0;
  if (x.mode != lane_mode::attached) {
    set_mode(lane, lane_mode::detached);
  } else if (from < position_) {
    if (back) {
      go_back(from);
    } else {
      set_mode(lane, lane_mode::detached);
      x.rewound = true;
    }
  }
}

void partition_cursor::deactivate(std::size_t lane) {
  auto& x = lanes_[lane];
  x.lost = false;
  if (x.mode == lane_mode::inactive)
    return;
  set_mode(lane, lane_mode::inactive);
  ++x.number.value;
  x.lent.clear();
  x.lent_bytes = 0;
  x.overdue = false;
}

void partition_cursor::resume(std::size_t lane, offset effective) {
  auto& x = lanes_[lane];
  x.lost = false;
  x.cut = x.acked = broken(mutation::resume_at_main) ? position_ : effective;
  ++x.number.value;
  set_mode(lane, lane_mode::detached);
}

// -- floor --------------------------------------------------------------------

std::optional<floor_act> partition_cursor::propose() {
  if (halt_ != partition_halt::none || broken(mutation::no_floor))
    return std::nullopt;
  floor_act act;
  act.floor = floor_;
  act.token = token_;
  act.map_version = version_;
  if (!holds_floor_) {
    act.full = true;
    return act;
  }
  // A snapshot ages until its lanes are durable, so that a floor rises under
  // constant load too.
  if (!snapshot_ && position_ > floor_) {
    snapshot_.emplace();
    snapshot_->to = position_;
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      if (lanes_[i].touched.value > 0)
        snapshot_->touched.push_back({i, ids_[i], lanes_[i].touched});
  }
  if (broken(mutation::stale_floor)) {
    act.to = committed_hint();
    return act.to > floor_ ? std::optional{act} : std::nullopt;
  }
  if (!snapshot_ || !durable_as_told(*snapshot_))
    return std::nullopt;
  act.to = broken(mutation::floor_now) ? position_ : snapshot_->to;
  act.touched = snapshot_->touched;
  return act;
}

void partition_cursor::floor_answer(const floor_act& act,
                                    const millrace::floor_answer& answer) {
  if (answer.accepted) {
    floor_ = answer.floor;
    token_ = answer.token;
    if (!act.full)
      for (auto& x : lanes_)
        if (x.touched <= act.to || broken(mutation::touched_forgotten))
          x.touched = offset{0};
  } else if (!follow_floor(answer.floor, answer.token, answer.map_version,
                           answer.halted)) {
    needs_assign_ = true;
  }
  if (act.full && !needs_assign_)
    holds_floor_ = floor_ >= start_ || broken(mutation::frozen_ignored);
  snapshot_.reset();
}

/// Whether the floor is still one that this consumer may build on (rule 9a):
/// its own, a higher one that its position is beyond already, or, once it has
/// held the floor, the same one under another's token. The floor row itself
/// says that all below is durable, and what lies beyond is still remembered as
/// touched; so two consumers of one partition do not drive each other out.
bool partition_cursor::follow_floor(offset to, const uuid& token,
                                    map_version version, bool is_halted) {
  if (version != version_ || is_halted)
    return false;
  if (token == token_)
    return true;
  if (broken(mutation::floor_seen_only)) {
    floor_ = to;
    token_ = token;
    return true;
  }
  if (to < floor_ || position_ < to || (to == floor_ && !holds_floor_))
    return false;
  floor_ = to;
  token_ = token;
  snapshot_.reset();
  return true;
}

std::vector<std::size_t>
partition_cursor::idle_lanes_behind(clock::time_point now,
                                    const lane_test& has_writer) {
  std::vector<std::size_t> result;
  if (halt_ != partition_halt::none || needs_assign_
      || broken(mutation::frozen_blind))
    return result;
  if (floor_seen_ != floor_ || position_ <= floor_) {
    floor_seen_ = floor_;
    floor_stands_since_ = now;
    move_idle_to_.reset();
    return result;
  }
  if (!move_idle_to_) {
    if (now - floor_stands_since_ < limits_.floor_patience)
      return result;
    move_idle_to_ = position_;
  }
  auto to = std::min(*move_idle_to_, position_);
  for (std::size_t i = 0; i < lanes_.size() && result.size() < moved_at_once;
       ++i)
    if (const auto& x = lanes_[i]; x.mode == lane_mode::attached
                                   && x.lent.empty() && x.cut < to
                                   && has_writer(i))
      result.push_back(i);
  if (result.empty()) {
    // All of them have come that far; in a while there is more to make good.
    move_idle_to_.reset();
    floor_stands_since_ = now;
  }
  return result;
}

bool partition_cursor::durable_as_told(const snapshot& x) const noexcept {
  return std::ranges::all_of(x.touched, [this](const touched_lane& t) {
    const auto& here = lanes_[t.lane];
    return here.mode == lane_mode::inactive || here.acked >= t.end;
  });
}

} // namespace millrace
