#include "actors/lane/partition_cursor.hpp"

#include "actors/lane/invariant.hpp"
#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace millrace {

namespace {

/// After so many seconds bytes count half for a lane's recent share.
constexpr double recent_half_life = 10;

} // namespace

std::string to_string(lane_mode x) {
  switch (x) {
    case lane_mode::inactive:
      return "inactive";
    case lane_mode::attached:
      return "attached";
    case lane_mode::detached:
      return "detached";
    case lane_mode::catching_up:
      return "catching up";
  }
  return "unknown";
}

std::string to_string(partition_halt x) {
  switch (x) {
    case partition_halt::none:
      return "none";
    case partition_halt::truncated:
      return "TRUNCATED";
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
  require(view.lanes.size() == lanes_.size(),
          "a view lists the consumer's lanes");
  halt_ = partition_halt::none;
  halt_reason_.clear();
  needs_assign_ = false;
  holds_floor_ = broken(mutation::floor_seen_only);
  snapshot_.reset();
  floor_ = view.floor;
  token_ = view.token;
  version_ = view.map_version;
  if (view.halted) {
    halt(partition_halt::by_row, "millrace.partition_floor says halted");
    return;
  }
  running_ = false;
  changes_.clear();
  log_begin_ = log.from;
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
    auto& x = lanes_[i];
    lane_cursor fresh;
    fresh.lost = active && log.from > seen.effective;
    fresh.mode = active && !fresh.lost ? lane_mode::attached
                                       : lane_mode::inactive;
    fresh.cut = fresh.acked = seen.effective;
    // A nack that answers a batch from before must not rewind us again.
    fresh.number.value = x.number.value + 1;
    fresh.recent = x.recent;
    x = std::move(fresh);
    if (x.mode == lane_mode::attached)
      start = start ? std::min(*start, seen.effective) : seen.effective;
  }
  // Nobody's floor may lie below what Kafka still has.
  position_ = start_ = start.value_or(std::max(view.floor, log.from));
  barrier_.reset();
  until_.reset();
  heed_change(view);
}

void partition_cursor::halt(partition_halt why, std::string reason) {
  halt_ = why;
  halt_reason_ = std::move(reason);
}

std::vector<lost_lane> partition_cursor::lost() const {
  std::vector<lost_lane> result;
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    if (const auto& x = lanes_[i]; x.lost)
      result.push_back({i, x.acked,
                        "RETENTION_LOSS: the log begins at offset "
                          + std::to_string(log_begin_.value) + ", but lane "
                          + to_string(ids_[i]) + " needs it from "
                          + std::to_string(x.acked.value)});
  return result;
}

// -- reading ------------------------------------------------------------------

record_verdict partition_cursor::judge(offset at,
                                       reading_kind which) const noexcept {
  auto end = ceiling(which);
  if (end && which == reading_kind::catch_up && broken(mutation::rejoin_late))
    end = *end + 1;
  if (end && at >= *end)
    return record_verdict::beyond;
  auto expected = position(which);
  if (at == expected)
    return record_verdict::expected;
  return at < expected ? record_verdict::stale : record_verdict::hole;
}

void partition_cursor::touch(std::size_t lane, offset at) noexcept {
  auto& x = lanes_[lane];
  x.touched = std::max(x.touched, at + 1);
}

void partition_cursor::advance(offset to, reading_kind which) {
  require(to >= position(which), "a reading goes on, never back");
  if (which == reading_kind::main) {
    auto end = ceiling(which);
    require(!end || to <= *end, "nothing is read beyond a barrier or end");
    position_ = to;
    return;
  }
  require(running_ && to <= position_,
          "the catch-up stays behind the main reading");
  catch_up_ = to;
}

cut_batch partition_cursor::cut(std::size_t lane, std::size_t bytes,
                                clock::time_point now) {
  auto& x = lanes_[lane];
  require(x.mode == lane_mode::attached || x.mode == lane_mode::catching_up,
          "a batch is cut for a lane that is read for");
  auto to = x.mode == lane_mode::attached ? position_ : catch_up_;
  require(to > x.cut, "a cut goes on, never back");
  cut_batch result{{x.cut, to}, x.number};
  x.cut = to;
  if (x.lent.empty())
    x.moved = now;
  x.lent.push_back({to, bytes});
  x.lent_bytes += bytes;
  age_recent(now);
  x.recent += static_cast<double>(bytes);
  return result;
}

std::size_t partition_cursor::lent_bytes() const noexcept {
  std::size_t result = 0;
  for (const auto& x : lanes_)
    result += x.lent_bytes;
  return result;
}

lane_load partition_cursor::load(std::size_t lane) const noexcept {
  const auto& x = lanes_[lane];
  return {.attached = x.mode == lane_mode::attached,
          .blocked = false,
          .idle = x.lent.empty(),
          .waits_since = x.moved,
          .acked_at = x.acked_at,
          .recent = x.recent};
}

void partition_cursor::age_recent(clock::time_point now) {
  using namespace std::chrono_literals;
  if (now - recent_at_ < 1s)
    return;
  auto seconds = std::chrono::duration<double>(now - recent_at_).count();
  recent_at_ = now;
  for (auto& x : lanes_)
    x.recent *= std::exp2(-seconds / recent_half_life);
}

bool partition_cursor::pays_to_go_back(double bytes) const noexcept {
  double total = 0;
  for (const auto& x : lanes_) {
    if (x.mode != lane_mode::inactive)
      total += x.recent;
    if (x.rewound)
      bytes += x.recent;
  }
  return 2 * bytes >= total;
}

/// Also as far as it helps those that were rewound before.
void partition_cursor::go_back(offset to) {
  position_ = std::min(position_, to);
  for (const auto& x : lanes_)
    if (x.rewound)
      position_ = std::min(position_, x.cut);
}

// -- detached lanes -----------------------------------------------------------

void partition_cursor::set_mode(std::size_t lane, lane_mode to) {
  auto& x = lanes_[lane];
  if (to == lane_mode::attached || to == lane_mode::inactive)
    x.rewound = false;
  if (x.mode != to)
    changes_.push_back({lane, std::exchange(x.mode, to), to, x.cut});
}

void partition_cursor::detach(std::size_t lane) {
  require(lanes_[lane].mode != lane_mode::inactive,
          "an inactive lane is not left behind");
  set_mode(lane, lane_mode::detached);
}

/// Two marks, so that a lane does not come and go with each ack.
bool partition_cursor::may_return(const lane_cursor& x) const noexcept {
  return x.mode == lane_mode::detached
         && 2 * x.lent_bytes <= limits_.credit_bytes;
}

void partition_cursor::attach_ready() {
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    if (may_return(lanes_[i])
        && lanes_[i].cut + (broken(mutation::rejoin_early) ? 1 : 0)
             >= position_)
      set_mode(i, lane_mode::attached);
}

bool partition_cursor::begin_run(clock::time_point now) {
  require(!running_, "there is one catch-up at a time");
  std::optional<offset> least;
  for (const auto& x : lanes_)
    if (may_return(x) && x.cut < position_)
      least = least ? std::min(*least, x.cut) : x.cut;
  if (!least)
    return false;
  running_ = true;
  run_began_ = now;
  run_moved_.reset();
  catch_up_ = run_seen_ = *least;
  join_run();
  return true;
}

void partition_cursor::join_run() {
  for (std::size_t i = 0; running_ && i < lanes_.size(); ++i)
    if (may_return(lanes_[i]) && lanes_[i].cut >= catch_up_)
      set_mode(i, lane_mode::catching_up);
}

bool partition_cursor::others_wait() const noexcept {
  return running_ && std::ranges::any_of(lanes_, [this](const lane_cursor& x) {
           return may_return(x) && x.cut < catch_up_;
         });
}

/// Nobody in the run, or nobody who needs what comes next.
bool partition_cursor::runs_ahead_only() const noexcept {
  return std::ranges::none_of(lanes_, [this](const lane_cursor& x) {
    return x.mode == lane_mode::catching_up
           && x.cut - catch_up_ <= limits_.near_offsets;
  });
}

partition_cursor::run_state partition_cursor::tend_run(bool verified,
                                                       clock::time_point now) {
  if (!running_)
    return run_state::none;
  if (catch_up_ > run_seen_) {
    run_seen_ = catch_up_;
    run_moved_ = now;
  }
  auto meets = catch_up_ == position_;
  if (catch_up_ > position_ || runs_ahead_only()
      || (others_wait() && !meets && now - run_began_ >= limits_.run_limit)) {
    end_run();
    return run_state::over;
  }
  if (!meets || !verified)
    return run_state::going;
  running_ = false;
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    if (lanes_[i].mode == lane_mode::catching_up)
      set_mode(i, lane_mode::attached);
  return run_state::rejoined;
}

void partition_cursor::end_run() {
  running_ = false;
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    if (lanes_[i].mode == lane_mode::catching_up)
      set_mode(i, lane_mode::detached);
}

bool partition_cursor::main_waits(clock::time_point now) const noexcept {
  if (!running_ || position_ - catch_up_ > limits_.near_offsets)
    return false;
  return catch_up_ == position_
         || (run_moved_ && now - *run_moved_ < limits_.detach_after);
}

std::size_t partition_cursor::detached_lanes() const noexcept {
  return static_cast<std::size_t>(
    std::ranges::count_if(lanes_, [](const lane_cursor& x) {
      return x.mode == lane_mode::detached || x.mode == lane_mode::catching_up;
    }));
}

} // namespace millrace
