#include "actors/lane/partition_cursor.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace millrace {

std::string to_string(partition_halt x) {
  switch (x) {
    case partition_halt::none:
      return "none";
    case partition_halt::truncated:
      return "TRUNCATED";
    case partition_halt::retention_loss:
      return "RETENTION_LOSS";
    case partition_halt::by_row:
      return "halted by its row";
    case partition_halt::gap:
      return "GAP";
    case partition_halt::source:
      return "source refused";
  }
  return "unknown";
}

partition_cursor::partition_cursor(std::vector<lane_id> lanes,
                                   cursor_limits limits)
  : ids_{std::move(lanes)},
    limits_{limits},
    lanes_(ids_.size()) {
}

// -- assignment ---------------------------------------------------------------

void partition_cursor::assign(const partition_view& view, offset_range log) {
  assert(view.lanes.size() == lanes_.size());
  halt_ = partition_halt::none;
  halt_reason_.clear();
  needs_assign_ = false;
  holds_floor_ = false;
  snapshot_.reset();
  floor_ = view.floor;
  token_ = view.token;
  version_ = view.map_version;
  if (view.halted) {
    halt(partition_halt::by_row, "millrace.partition_floor says halted");
    return;
  }
  std::optional<offset> start;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto& seen = view.lanes[i];
    if (log.to < seen.effective) {
      halt(partition_halt::truncated,
           "the log ends at offset " + std::to_string(log.to.value)
             + ", but lane " + to_string(seen.lane) + " is durable up to "
             + std::to_string(seen.effective.value));
      return;
    }
    auto active = seen.state == lane_state::active;
    if (active && log.from > seen.effective) {
      halt(partition_halt::retention_loss,
           "the log begins at offset " + std::to_string(log.from.value)
             + ", but lane " + to_string(seen.lane) + " needs it from "
             + std::to_string(seen.effective.value));
      return;
    }
    auto& x = lanes_[i];
    auto number = x.number;
    x = lane_cursor{};
    x.active = active;
    x.cut = x.acked = seen.effective;
    // A nack that answers a batch from before must not rewind us again.
    x.number.value = number.value + 1;
    if (active)
      start = start ? std::min(*start, seen.effective) : seen.effective;
  }
  position_ = start_ = start.value_or(view.floor);
}

void partition_cursor::halt(partition_halt why, std::string reason) {
  halt_ = why;
  halt_reason_ = std::move(reason);
}

// -- reading ------------------------------------------------------------------

record_verdict partition_cursor::judge(offset at) const noexcept {
  if (at == position_)
    return record_verdict::expected;
  return at < position_ ? record_verdict::stale : record_verdict::hole;
}

void partition_cursor::touch(std::size_t lane, offset at) noexcept {
  auto& x = lanes_[lane];
  x.touched = std::max(x.touched, at + 1);
}

void partition_cursor::advance(offset to) {
  assert(to >= position_);
  position_ = to;
}

cut_batch partition_cursor::cut(std::size_t lane, std::size_t bytes,
                                clock::time_point now) {
  auto& x = lanes_[lane];
  assert(x.active && position_ > x.cut);
  cut_batch result{{x.cut, position_}, x.number};
  x.cut = position_;
  if (x.lent.empty())
    x.moved = now;
  x.lent.push_back({position_, bytes});
  x.lent_bytes += bytes;
  return result;
}

std::size_t partition_cursor::lent_bytes() const noexcept {
  std::size_t result = 0;
  for (const auto& x : lanes_)
    result += x.lent_bytes;
  return result;
}

// -- answers ------------------------------------------------------------------

void partition_cursor::ack(std::size_t lane, offset to, clock::time_point now) {
  auto& x = lanes_[lane];
  // An ack from before a rewind may name an offset beyond the cut: it is true
  // all the same, but what lies between is on its way again.
  x.acked = std::max(x.acked, std::min(to, x.cut));
  x.moved = now;
  while (!x.lent.empty() && x.lent.front().to <= to) {
    x.lent_bytes -= x.lent.front().bytes;
    x.lent.pop_front();
  }
}

bool partition_cursor::nack(std::size_t lane, offset expected, rewind number,
                            clock::time_point now) {
  if (!would_rewind(lane, expected, number))
    return false;
  auto& x = lanes_[lane];
  auto before = position_;
  auto kept = std::exchange(x.lent, {});
  send_again(x, expected);
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
    return x.overdue || (!x.lent.empty() && now - x.moved > limits_.resync);
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
  assert(view.lanes.size() == lanes_.size());
  if (!follow_floor(view.floor, view.token, view.map_version, view.halted)) {
    needs_assign_ = true;
    return false;
  }
  assert(acks_then.empty() || acks_then.size() == lanes_.size());
  auto before = position_;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto& seen = view.lanes[i];
    auto& x = lanes_[i];
    if (x.active != (seen.state == lane_state::active)
        || (x.active && seen.effective < start_)) {
      needs_assign_ = true;
      return false;
    }
    if (!x.active)
      continue;
    // An ack from before a failover is void (rule 9b).
    auto told = acks_then.empty() ? x.acked : std::min(x.acked, acks_then[i]);
    auto void_ack = seen.effective < told;
    auto overdue = x.overdue
                   || (!x.lent.empty() && now - x.moved > limits_.resync);
    if (!void_ack && !overdue)
      continue;
    x.overdue = false;
    x.acked = seen.effective;
    if (seen.effective >= x.cut)
      ack(i, x.cut, now);
    else
      send_again(x, seen.effective);
  }
  return position_ < before;
}

offset partition_cursor::committed_hint() const noexcept {
  // A lane without unacknowledged batches holds nothing back.
  auto result = position_;
  for (const auto& x : lanes_)
    if (x.active && !x.lent.empty())
      result = std::min(result, x.acked);
  return result;
}

// -- floor --------------------------------------------------------------------

std::optional<floor_act> partition_cursor::propose() {
  if (halt_ != partition_halt::none)
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
  if (!snapshot_ || !durable_as_told(*snapshot_))
    return std::nullopt;
  act.to = snapshot_->to;
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
        if (x.touched <= act.to)
          x.touched = offset{0};
  } else if (!follow_floor(answer.floor, answer.token, answer.map_version,
                           answer.halted)) {
    needs_assign_ = true;
  }
  if (act.full && !needs_assign_)
    holds_floor_ = floor_ >= start_;
  snapshot_.reset();
}

// -- helpers ------------------------------------------------------------------

void partition_cursor::send_again(lane_cursor& x, offset from) {
  x.cut = from;
  x.acked = std::min(x.acked, from);
  ++x.number.value;
  x.lent.clear();
  x.lent_bytes = 0;
  position_ = std::min(position_, from);
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
  if (to < floor_ || position_ < to || (to == floor_ && !holds_floor_))
    return false;
  floor_ = to;
  token_ = token;
  snapshot_.reset();
  return true;
}

bool partition_cursor::durable_as_told(const snapshot& x) const noexcept {
  return std::ranges::all_of(x.touched, [this](const touched_lane& t) {
    const auto& here = lanes_[t.lane];
    return !here.active || here.acked >= t.end;
  });
}

} // namespace millrace
